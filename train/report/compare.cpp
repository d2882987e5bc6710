#include "train/report/compare.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>

#include "tensor/error.h"

namespace rein::train {
namespace {

using nlohmann::ordered_json;

std::string fixed(double value, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string percent(const std::optional<double>& value) {
  return value ? fixed(*value, 2) : "-";
}

std::string cut(const std::string& text, std::size_t width) {
  return text.size() <= width ? text : text.substr(0, width - 2) + "..";
}

std::int64_t steps_done(const RunRecord& run) {
  return run.steps.empty() ? 0 : run.steps.back().step;
}

struct Row {
  std::string name;
  std::function<std::string(const RunRecord&)> cell;
};

std::string steps_text(const RunRecord& run) {
  const std::int64_t done = steps_done(run);
  return std::to_string(done) + (done < run.iterations ? "/" + std::to_string(run.iterations) : std::string());
}

std::vector<Row> rows_of(std::span<const RunRecord> runs) {
  std::vector<Row> rows, outside;
  for (const std::string& name : set_names(runs)) {
    const auto has_it = [&](const RunRecord& run) {
      const RecordedSet* set = find_set(run, name);
      return set != nullptr && set->in_mean;
    };
    const bool inside = std::ranges::any_of(runs, has_it);
    (inside ? rows : outside).push_back({inside ? name : name + " *", [name](const RunRecord& run) {
                                           const RecordedSet* set = find_set(run, name);
                                           return percent(set != nullptr ? set->miou : std::nullopt);
                                         }});
  }
  if (rows.size() > 1)
    rows.push_back(
        {"mean", [](const RunRecord& run) { return percent(run.shown() ? run.shown()->mean : std::nullopt); }});
  rows.insert(rows.end(), outside.begin(), outside.end());
  rows.push_back(
      {"trained parameters", [](const RunRecord& run) { return run.trained ? count_text(*run.trained) : "-"; }});
  rows.push_back({"steps", steps_text});
  rows.push_back(
      {"time of a step", [](const RunRecord& run) { return run.step_seconds ? brief_time(*run.step_seconds) : "-"; }});
  rows.push_back({"time of training", [](const RunRecord& run) {
                    if (!run.step_seconds) return std::string("-");
                    return brief_time(*run.step_seconds * static_cast<double>(steps_done(run)));
                  }});
  rows.push_back({"memory at most", [](const RunRecord& run) {
                    return run.peak_bytes > 0 ? fixed(static_cast<double>(run.peak_bytes) / 0x1p20, 0) + " MiB" : "-";
                  }});
  return rows;
}

std::string one_table(std::span<const RunRecord> runs, const std::vector<Row>& rows, std::size_t name_width,
                      std::size_t width) {
  std::string out = "mIoU in %";
  out.resize(name_width, ' ');
  const auto right = [&](const std::string& text) {
    out += std::string(width > text.size() ? width - text.size() : 1, ' ') + text;
  };
  for (const RunRecord& run : runs) right(cut(run.name, width - 2));
  out += '\n';
  for (const Row& row : rows) {
    std::string name = cut(row.name, name_width);
    name.resize(name_width, ' ');
    out += name;
    for (const RunRecord& run : runs) right(row.cell(run));
    out += '\n';
  }
  return out;
}

}  // namespace

std::string count_text(std::int64_t count) {
  const auto value = static_cast<double>(count);
  if (count < 1000) return std::to_string(count);
  if (value < 999.95e3) return fixed(value / 1e3, 1) + " k";
  return fixed(value / 1e6, value < 99.995e6 ? 2 : 0) + " M";
}

std::string brief_time(double seconds) {
  if (seconds < 1) return fixed(1000 * seconds, 0) + " ms";
  if (seconds < 100) return fixed(seconds, seconds < 10 ? 2 : 0) + " s";
  if (seconds < 6000) return fixed(seconds / 60, 0) + " min";
  return fixed(seconds / 3600, 1) + " h";
}

const RecordedSet* find_set(const RunRecord& run, const std::string& name) {
  const RecordedEvaluation* e = run.shown();
  if (e == nullptr) return nullptr;
  const auto found = std::ranges::find(e->sets, name, &RecordedSet::name);
  return found == e->sets.end() ? nullptr : &*found;
}

std::vector<std::string> set_names(std::span<const RunRecord> runs) {
  std::vector<std::string> inside, outside;
  for (const RunRecord& run : runs) {
    if (run.shown() == nullptr) continue;
    for (const RecordedSet& set : run.shown()->sets) {
      if (std::ranges::find(inside, set.name) != inside.end()) continue;
      if (std::ranges::find(outside, set.name) != outside.end()) continue;
      (set.in_mean ? inside : outside).push_back(set.name);
    }
  }
  inside.insert(inside.end(), outside.begin(), outside.end());
  return inside;
}

std::vector<std::string> comparison_notes(std::span<const RunRecord> runs) {
  std::vector<std::string> notes;
  const auto differ = [&](const std::string& what, const std::function<std::string(const RunRecord&)>& value) {
    std::string text;
    bool same = true;
    for (const RunRecord& run : runs) {
      same = same && value(run) == value(runs.front());
      text += (text.empty() ? "" : ", ") + value(run) + " (" + run.name + ")";
    }
    if (!same) notes.push_back(what + " differ: " + text);
  };
  differ("steps", steps_text);
  differ("batch sizes", [](const RunRecord& r) { return std::to_string(r.batch); });
  differ("seeds", [](const RunRecord& r) { return std::to_string(r.seed); });
  differ("backbones", [](const RunRecord& r) { return r.backbone; });
  differ("heads", [](const RunRecord& r) { return r.head; });
  differ("training sets", [](const RunRecord& r) { return r.dataset + "/" + r.split; });
  for (const std::string& name : set_names(runs))
    differ("ways to score " + name, [&](const RunRecord& r) -> std::string {
      const RecordedSet* s = find_set(r, name);
      if (s == nullptr) return "not scored";
      return concat_text(s->photos, " photos of ", s->labels_of, ", ", s->resize.empty() ? "native" : s->resize, ", ",
                         s->window == 0 ? "whole" : concat_text("windows ", s->window, "/", s->stride));
    });
  return notes;
}

std::string comparison_table(std::span<const RunRecord> runs, std::size_t columns) {
  const std::vector<Row> rows = rows_of(runs);
  std::size_t name_width = 9, width = 8;
  for (const Row& row : rows) name_width = std::max(name_width, std::min<std::size_t>(row.name.size(), 28));
  for (const RunRecord& run : runs) {
    width = std::max(width, std::min<std::size_t>(run.name.size(), 22));
    for (const Row& row : rows) width = std::max(width, row.cell(run).size());
  }
  width += 2;
  if (columns > name_width + 12)
    width = std::min(width, columns - name_width);  // names are cut rather than lines wrapped
  const std::size_t fit = std::max<std::size_t>(1, columns > name_width ? (columns - name_width) / width : 1);
  std::string out;
  for (std::size_t first = 0; first < runs.size(); first += fit)
    out += (first > 0 ? "\n" : "") +
           one_table(runs.subspan(first, std::min(fit, runs.size() - first)), rows, name_width, width);
  if (std::ranges::any_of(rows, [](const Row& row) { return row.name.ends_with(" *"); }))
    out += "* no part of the mean\n";
  for (const std::string& note : comparison_notes(runs)) out += "note: " + note + "\n";
  return out;
}

std::string comparison_json(std::span<const RunRecord> runs) {
  const auto or_null = [](const auto& value) { return value ? ordered_json(*value) : ordered_json(nullptr); };
  ordered_json json = {{"runs", ordered_json::array()}, {"notes", comparison_notes(runs)}};
  for (const RunRecord& run : runs) {
    ordered_json one = {{"name", run.name},
                        {"folder", run.folder.string()},
                        {"method", run.method},
                        {"backbone", run.backbone},
                        {"seed", run.seed},
                        {"steps", steps_done(run)},
                        {"steps_wanted", run.iterations},
                        {"trained", or_null(run.trained)}};
    one["step_seconds"] = or_null(run.step_seconds);
    one["process_peak_bytes"] = run.peak_bytes > 0 ? ordered_json(run.peak_bytes) : ordered_json(nullptr);
    one["mean_miou"] = or_null(run.shown() ? run.shown()->mean : std::nullopt);
    one["sets"] = ordered_json::object();
    if (run.shown() != nullptr)
      for (const RecordedSet& set : run.shown()->sets)
        one["sets"][set.name] = {{"miou", or_null(set.miou)}, {"in_mean", set.in_mean}};
    json["runs"].push_back(std::move(one));
  }
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace rein::train
