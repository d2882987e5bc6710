// Scores as a table for people and as JSON for programs.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "train/score/evaluate.h"

namespace rein::train {
namespace {

nlohmann::ordered_json percent_or_null(double part) {
  if (std::isnan(part)) return nullptr;
  return 100 * part;
}

std::string percent(double part) {
  if (std::isnan(part)) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", 100 * part);
  return text;
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string space(width > text.size() ? width - text.size() : 0, ' ');
  return right ? space + text : text + space;
}

}  // namespace

std::string protocol_text(const TargetScore& s) {
  std::string text = "labels of " + s.dataset + ", " + s.resize + ", ";
  if (s.sliding.window == 0) return text + "whole photos";
  return text + "windows " + std::to_string(s.sliding.window) + "/" + std::to_string(s.sliding.stride);
}

std::string scores_to_json(const std::vector<TargetScore>& scores) {
  nlohmann::ordered_json json;
  json["mean_miou"] = percent_or_null(mean_miou(scores));
  json["sets"] = nlohmann::ordered_json::array();
  for (const TargetScore& s : scores) {
    nlohmann::ordered_json set;
    set["name"] = s.name;
    set["photos"] = s.photos;
    if (!s.in_mean) set["in_mean"] = false;
    set["labels_of"] = s.dataset;
    set["resize"] = s.resize;
    set["window"] = s.sliding.window;
    set["stride"] = s.sliding.stride;
    set["miou"] = percent_or_null(s.score.miou);
    set["pixel_accuracy"] = percent_or_null(s.score.pixel_accuracy);
    for (const ClassScore& c : s.score.classes) set["iou"][c.name] = percent_or_null(c.iou());
    json["sets"].push_back(std::move(set));
  }
  return json.dump();
}

std::string scores_to_table(const std::vector<TargetScore>& scores, bool with_classes) {
  std::size_t width = 5;
  for (const TargetScore& s : scores) {
    width = std::max(width, s.name.size());
    if (!with_classes) continue;
    for (const ClassScore& c : s.score.classes) width = std::max(width, c.name.size() + 2);
  }
  std::string out = padded("set", width, false) + "  photos    mIoU  pixels\n";
  for (const TargetScore& s : scores) {
    out += padded(s.name, width, false) + padded(std::to_string(s.photos), 8, true) +
           padded(percent(s.score.miou), 8, true) + padded(percent(s.score.pixel_accuracy), 8, true) +
           (s.in_mean ? "\n" : "  not in the mean\n");
    if (!with_classes) continue;
    for (const ClassScore& c : s.score.classes)
      out += padded("  " + c.name, width, false) + padded("", 8, true) + padded(percent(c.iou()), 8, true) + "\n";
  }
  if (scores.size() > 1)
    out += padded("mean", width, false) + padded("", 8, true) + padded(percent(mean_miou(scores)), 8, true) + "\n";
  return out;
}

}  // namespace rein::train
