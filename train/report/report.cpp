#include "train/report/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "data/sets/classes.h"
#include "train/report/compare.h"
#include "train/report/report_svg.h"

namespace rein::train {
namespace {

std::string fixed(double value, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string percent(const std::optional<double>& value) {
  return value ? fixed(*value, 1) : "–";
}

std::string tile(const std::string& value, const std::string& text) {
  return "<div class=\"tile\"><b>" + escape_xml(value) + "</b><span>" + escape_xml(text) + "</span></div>";
}

std::string lead(const RunRecord& run) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : " · ") + part; };
  if (!run.method.empty()) add("method " + run.method);
  if (!run.backbone.empty()) add(run.backbone);
  if (!run.head.empty()) add(run.head);
  if (!run.dataset.empty()) add("trained on " + run.dataset + ", split " + run.split);
  if (run.iterations > 0)
    add(std::to_string(run.iterations) + " steps of " + std::to_string(run.batch) + ", seed " +
        std::to_string(run.seed));
  return text;
}

// One tile for each of several runs.
std::string run_tiles(std::span<const RunRecord> runs) {
  std::string out = "<div class=\"tiles\">";
  for (const RunRecord& run : runs) {
    const RecordedEvaluation* e = run.shown();
    std::string text = run.name + ": mean mIoU";
    if (run.trained) text += ", " + count_text(*run.trained) + " trained";
    out += tile(e != nullptr && e->mean ? fixed(*e->mean, 1) + " %" : "–", text);
  }
  return out + "</div>\n";
}

std::string tiles(const RunRecord& run) {
  std::string out = "<div class=\"tiles\">";
  if (const RecordedEvaluation* e = run.shown(); e != nullptr && !e->sets.empty()) {
    auto in_mean = std::ranges::count_if(e->sets, &RecordedSet::in_mean);
    if (in_mean == 0) in_mean = static_cast<decltype(in_mean)>(e->sets.size());
    const std::string where =
        e->sets.size() == 1 ? " on " + e->sets.front().name : ", mean of " + std::to_string(in_mean) + " sets";
    out += tile(percent(e->mean) + " %", "mIoU" + where);
  }
  const std::int64_t done = run.steps.empty() ? 0 : run.steps.back().step;
  out += tile(std::to_string(done),
              "steps done" + (run.iterations > 0 ? " of " + std::to_string(run.iterations) : std::string()));
  if (!run.steps.empty()) out += tile(fixed(run.steps.back().loss, 3), "loss at the last step");
  if (run.trained) out += tile(count_text(*run.trained), "trained parameters");
  if (run.step_seconds) {
    out += tile(brief_time(*run.step_seconds), "a step (median)");
    out += tile(brief_time(*run.step_seconds * static_cast<double>(done)), "for all steps, about");
  }
  if (run.peak_bytes > 0)
    out += tile(fixed(static_cast<double>(run.peak_bytes) / 0x1p30, 2) + " GiB", "memory at most");
  return out + "</div>\n";
}

// The mean of a window around each step: a fortieth of the run to both sides.
Curve smoothed(const RunRecord& run, int colour) {
  Curve curve{run.name + ", loss", {}, colour};
  const std::size_t n = run.steps.size(), half = std::max<std::size_t>(1, n / 40);
  std::vector<double> sums(n + 1, 0);
  for (std::size_t i = 0; i < n; ++i) sums[i + 1] = sums[i] + run.steps[i].loss;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t begin = i < half ? 0 : i - half, end = std::min(n, i + half + 1);
    curve.points.emplace_back(run.steps[i].step, (sums[end] - sums[begin]) / static_cast<double>(end - begin));
  }
  return curve;
}

std::string charts(std::span<const RunRecord> runs) {
  std::vector<Curve> loss, rate, scores;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const int colour = static_cast<int>(r);
    if (r == 0) {
      Curve raw{"", {}, colour, true};
      for (const RecordedStep& s : runs[r].steps) raw.points.emplace_back(s.step, s.loss);
      loss.push_back(std::move(raw));
    }
    loss.push_back(smoothed(runs[r], colour));
  }
  for (const RecordedStep& s : runs[0].steps) {
    if (rate.empty()) rate.push_back({"learning rate", {}, 1});
    rate[0].points.emplace_back(s.step, s.lr);
  }
  if (runs.size() == 1) {
    std::vector<std::string> names;
    for (const RecordedEvaluation& e : runs[0].evaluations)
      for (const RecordedSet& set : e.sets) {
        auto found = std::ranges::find(scores, set.name, &Curve::name);
        if (found == scores.end())
          found = scores.insert(scores.end(), {set.name, {}, static_cast<int>(scores.size()), false, true});
        if (set.miou) found->points.emplace_back(e.step, *set.miou);
      }
  } else {
    for (std::size_t r = 0; r < runs.size(); ++r) {
      scores.push_back({runs[r].name + ", mean", {}, static_cast<int>(r), false, true});
      for (const RecordedEvaluation& e : runs[r].evaluations)
        if (e.mean) scores.back().points.emplace_back(e.step, *e.mean);
    }
  }
  std::string bars;
  if (const std::vector<std::string> sets = set_names(runs); runs.size() > 1 && sets.size() > 1 && sets.size() <= 10) {
    std::vector<Bars> all;
    for (std::size_t r = 0; r < runs.size(); ++r) {
      all.push_back({runs[r].name, {}, static_cast<int>(r)});
      for (const std::string& name : sets) {
        const RecordedSet* set = find_set(runs[r], name);
        all.back().values.push_back(set != nullptr ? set->miou : std::nullopt);
      }
    }
    bars = bar_chart({"mIoU of each set", "", "percent"}, sets, all);
  }
  // One evaluation is a table, not a curve.
  const bool curve = std::ranges::any_of(scores, [](const Curve& c) { return c.points.size() > 1; });
  std::string out = line_chart({"Training loss", "step", "mean of a window; single steps pale"}, loss);
  if (curve) out += line_chart({"mIoU", "step", "percent, at each evaluation"}, scores);
  if (!curve && bars.empty()) out += line_chart({"Learning rate", "step", ""}, rate);
  out += bars;
  if (out.empty()) return "<section><h2>Curves</h2><p class=\"hint\">No step has been recorded yet.</p></section>\n";
  return "<section><h2>Curves</h2><div class=\"charts\">" + out + "</div></section>\n";
}

std::string cell(const std::optional<double>& value, bool best = false) {
  if (!value) return "<td class=\"none\">–</td>";
  return "<td class=\"bar" + std::string(best ? " best" : "") +
         "\" style=\"--part:" + fixed(std::clamp(*value, 0.0, 100.0), 0) + "%\">" + fixed(*value, 1) + "</td>";
}

// What each run cost, below its scores.
std::string cost_rows(std::span<const RunRecord> runs) {
  std::string trained, time;
  for (const RunRecord& run : runs) {
    trained += "<td class=\"bar\">" + (run.trained ? count_text(*run.trained) : "–") + "</td>";
    const double steps = run.steps.empty() ? 0 : static_cast<double>(run.steps.back().step);
    time += "<td class=\"bar\">" + (run.step_seconds ? brief_time(*run.step_seconds * steps) : "–") + "</td>";
  }
  return "<tr class=\"cost\"><td>trained parameters</td><td class=\"wide\"></td>" + trained +
         "<td class=\"wide\"></td></tr><tr class=\"cost\"><td>time of training</td><td class=\"wide\"></td>" + time +
         "<td class=\"wide\"></td></tr>";
}

// A row per set; a column per run.
std::string score_table(std::span<const RunRecord> runs) {
  const std::vector<std::string> names = set_names(runs);
  if (names.empty())
    return "<section><h2>Scores</h2><p class=\"hint\">This run has not been evaluated. A configuration with "
           "[[eval.target]] sections "
           "is evaluated at the end; <code>rein eval</code> scores a checkpoint on any set.</p></section>\n";
  const bool one = runs.size() == 1;
  std::string out =
      "<section><h2>Scores</h2><p class=\"hint\">mIoU in percent: the mean over classes of overlap divided by union, "
      "of all photos of a set together.</p>"
      "<div class=\"scroll\"><table><thead><tr><th>set</th><th class=\"wide\">photos</th>";
  if (one)
    out += "<th>mIoU</th><th>pixels right</th>";
  else
    for (const RunRecord& run : runs) out += "<th>" + escape_xml(run.name) + "</th>";
  out += "<th class=\"text wide\">how</th></tr></thead><tbody>";
  const auto best_of = [&](const std::vector<std::optional<double>>& values) {
    double best = -1;
    for (const auto& v : values) best = std::max(best, v.value_or(-1));
    return best;
  };
  for (const std::string& name : names) {
    const RecordedSet* some = nullptr;
    std::vector<std::optional<double>> values;
    for (const RunRecord& run : runs) {
      const RecordedSet* set = find_set(run, name);
      if (some == nullptr) some = set;
      values.push_back(set != nullptr ? set->miou : std::nullopt);
    }
    out += "<tr><td>" + escape_xml(name) + "</td><td class=\"wide\">" + std::to_string(some->photos) + "</td>";
    for (const auto& v : values) out += cell(v, !one && v && *v == best_of(values));
    if (one) out += cell(some->pixel_accuracy);
    std::string how = some->resize.empty() ? "" : some->resize + ", ";
    how += some->window == 0 ? "whole photos"
                             : "windows " + std::to_string(some->window) + "/" + std::to_string(some->stride);
    if (!some->in_mean) how += ", no part of the mean";
    out += "<td class=\"text none wide\">" + escape_xml(how) + "</td></tr>";
  }
  if (names.size() > 1) {
    out += "<tr class=\"mean\"><td>mean</td><td class=\"wide\"></td>";
    std::vector<std::optional<double>> means;
    for (const RunRecord& run : runs) means.push_back(run.shown() != nullptr ? run.shown()->mean : std::nullopt);
    for (const auto& v : means) out += cell(v, !one && v && *v == best_of(means));
    out += one ? "<td></td><td class=\"wide\"></td></tr>" : "<td class=\"wide\"></td></tr>";
  }
  if (!one) out += cost_rows(runs);
  return out + "</tbody></table></div></section>\n";
}

std::string swatch(const data::ClassSet& classes, const std::string& name) {
  const auto id = classes.find(name);
  if (!id) return "";
  const data::Rgb& c = classes.palette[static_cast<std::size_t>(*id)];
  return "<span class=\"swatch\" style=\"background:rgb(" + std::to_string(c[0]) + "," + std::to_string(c[1]) + "," +
         std::to_string(c[2]) + ")\"></span>";
}

std::string class_table(const RunRecord& run, const std::vector<ReportTarget>& pictures) {
  const RecordedEvaluation* e = run.shown();
  if (e == nullptr || e->sets.empty()) return "";
  std::vector<std::string> names;
  for (const RecordedSet& set : e->sets)
    for (const auto& [name, unused] : set.ious)
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  if (names.empty()) return "";
  std::string out = "<section><h2>Classes</h2><p class=\"hint\">IoU in percent of " + escape_xml(run.name) +
                    " after step " + std::to_string(e->step) +
                    "; – : the class neither occurs nor is predicted, or is not scored.</p><div "
                    "class=\"scroll\"><table><thead><tr><th>class</th>";
  for (const RecordedSet& set : e->sets) out += "<th>" + escape_xml(set.name) + "</th>";
  out += "</tr></thead><tbody>";
  for (const std::string& name : names) {
    const auto owner =
        std::ranges::find_if(pictures, [&](const ReportTarget& t) { return t.classes.find(name).has_value(); });
    out += "<tr><td>" + swatch(owner == pictures.end() ? data::cityscapes_classes() : owner->classes, name) +
           escape_xml(name) + "</td>";
    for (const RecordedSet& set : e->sets) {
      const auto found = std::ranges::find(set.ious, name, [](const auto& pair) { return pair.first; });
      out += cell(found == set.ious.end() ? std::nullopt : found->second);
    }
    out += "</tr>";
  }
  return out + "</tbody></table></div></section>\n";
}

// IoU of a class in one run: the mean over the sets where it is scored and that are part of the mean.
std::optional<double> class_mean(const RunRecord& run, const std::string& name) {
  double sum = 0;
  int count = 0;
  if (const RecordedEvaluation* e = run.shown())
    for (const RecordedSet& set : e->sets)
      for (const auto& [own, value] : set.ious)
        if (own == name && value && set.in_mean) {
          sum += *value;
          ++count;
        }
  return count > 0 ? std::optional(sum / count) : std::nullopt;
}

// A row per class; a column per run.
std::string class_comparison(std::span<const RunRecord> runs) {
  const RecordedEvaluation* e = runs.front().shown();
  if (runs.size() < 2 || e == nullptr || e->sets.empty()) return "";
  std::string out =
      "<section><h2>Classes, run beside run</h2><p class=\"hint\">IoU in percent, the mean over the sets of the "
      "mean.</p><div class=\"scroll\"><table><thead><tr><th>class</th>";
  for (const RunRecord& run : runs) out += "<th>" + escape_xml(run.name) + "</th>";
  out += "</tr></thead><tbody>";
  for (const auto& [name, unused] : e->sets.front().ious) {
    out += "<tr><td>" + escape_xml(name) + "</td>";
    double best = -1;
    for (const RunRecord& run : runs) best = std::max(best, class_mean(run, name).value_or(-1));
    for (const RunRecord& run : runs) {
      const std::optional<double> value = class_mean(run, name);
      out += cell(value, value && *value > 0 && *value == best);
    }
    out += "</tr>";
  }
  return out + "</tbody></table></div></section>\n";
}

std::string gallery(const std::vector<ReportTarget>& targets) {
  if (targets.empty()) return "";
  std::string out =
      "<section><h2>Pictures</h2><p class=\"hint\">In the error maps, orange is wrong, pale is right, dark is not "
      "scored.</p>";
  std::vector<std::string> key;
  std::string swatches;
  for (const ReportTarget& target : targets)
    for (const std::string& name : target.classes.names)
      if (std::ranges::find(key, name) == key.end()) {
        key.push_back(name);
        swatches += "<span>" + swatch(target.classes, name) + escape_xml(name) + "</span>";
      }
  out += "<div class=\"key\">" + swatches + "</div>";
  for (const ReportTarget& target : targets) {
    out += "<h3>" + escape_xml(target.name) + "</h3>";
    for (const ReportPhoto& photo : target.photos) {
      out += "<div class=\"photo\">";
      for (const ReportPicture& p : photo.pictures)
        out += "<figure><img alt=\"" + escape_xml(p.caption + " of " + photo.name) + "\" src=\"" + p.png +
               "\"/><figcaption><span>" + escape_xml(p.caption == "photo" ? photo.name : p.caption) + "</span><span>" +
               escape_xml(p.note) + "</span></figcaption></figure>";
      out += "</div>";
    }
  }
  return out + "</section>\n";
}

std::string details(const RunRecord& run) {
  std::string out = "<section><h2>How it was made</h2>";
  if (!run.version.empty())
    out += "<p class=\"hint\">" + escape_xml(run.version) + ", " + escape_xml(run.isa) + " kernels" +
           (run.threads > 0 ? ", " + std::to_string(run.threads) + " threads" : "") + "</p>";
  out += "<pre>rein eval " + escape_xml(run.folder.string()) + "\nrein predict " + escape_xml(run.folder.string()) +
         " PHOTOS --out PICTURES</pre>";
  if (!run.config.empty())
    out += "<details><summary>The whole configuration</summary><pre>" + escape_xml(run.config) + "</pre></details>";
  return out + "</section>\n";
}

}  // namespace

std::string report_html(std::span<const RunRecord> runs, const std::vector<ReportTarget>& pictures,
                        const std::vector<std::string>& notes) {
  const RunRecord& run = runs.front();
  std::string names = run.name;
  for (const RunRecord& other : runs.subspan(1)) names += ", " + other.name;
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"/><title>" +
      escape_xml(names) + " – rein</title><style>" + report_style + "</style></head>\n<body><main>\n";
  out += "<h1>" + escape_xml(names) + "</h1><p class=\"lead\">" + escape_xml(lead(run)) + "</p>\n" +
         (runs.size() == 1 ? tiles(run) : run_tiles(runs));
  for (const std::string& note : notes) out += "<p class=\"note\">" + escape_xml(note) + "</p>\n";
  out += score_table(runs) + charts(runs) + gallery(pictures) + class_comparison(runs) + class_table(run, pictures) +
         details(run);
  return out + "<footer>Made by rein report. This file holds all it shows.</footer>\n</main></body></html>\n";
}

}  // namespace rein::train
