// Runs side by side: the table's width, the mean, what it says about unfair comparisons; broken and young runs.
#include "train/report/compare.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "tests/harness/temp_folder.h"
#include "train/score/evaluate.h"

namespace rein::train {
namespace {

RecordedSet scored(const std::string& name, std::optional<double> miou, bool in_mean = true) {
  RecordedSet set;
  set.name = name;
  set.labels_of = "toy";
  set.photos = 10;
  set.miou = miou;
  set.in_mean = in_mean;
  return set;
}

RunRecord made(const std::string& name, double night) {
  RunRecord run;
  run.name = run.method = name;
  run.folder = "runs/" + name;
  run.iterations = 20;
  run.batch = 4;
  run.steps = {{10, 1.5, 0.1}, {20, 1.25, 0.1}};
  run.step_seconds = 0.25;
  run.peak_bytes = 300 << 20;
  run.trained = 254659;
  run.evaluations = {{20, 50.0, {scored("game", 81.0, false), scored("night", night), scored("fog", std::nullopt)}}};
  return run;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("sets are rows, runs are columns, sets outside the mean come below it") {
  const std::vector<RunRecord> runs{made("freeze", 40.125), made("rein", 42.5)};
  const auto lines = lines_of(comparison_table(runs));
  REQUIRE(lines.size() == 11);
  CHECK(lines[0] == "mIoU in %             freeze      rein");
  CHECK(lines[1] == "night                  40.12     42.50");
  CHECK(lines[2] == "fog                        -         -");
  CHECK(lines[3] == "mean                   50.00     50.00");
  CHECK(lines[4] == "game *                 81.00     81.00");
  CHECK(lines[5] == "trained parameters   254.7 k   254.7 k");
  CHECK(lines[6] == "steps                     20        20");
  CHECK(lines[7] == "time of a step        250 ms    250 ms");
  CHECK(lines[8] == "time of training      5.00 s    5.00 s");
  CHECK(lines[9] == "memory at most       300 MiB   300 MiB");
  CHECK(lines[10] == "* no part of the mean");
}

TEST_CASE("many runs become several tables, none wider than asked") {
  std::vector<RunRecord> runs;
  for (int i = 0; i < 12; ++i) runs.push_back(made("a_rather_long_name_of_a_run_" + std::to_string(i), i));
  for (const std::size_t columns : {40, 80, 132}) {
    const std::string table = comparison_table(runs, columns);
    for (const std::string& line : lines_of(table)) CHECK(line.size() <= columns);
    CHECK(table.find("11.00") != std::string::npos);
  }
}

TEST_CASE("what makes a comparison unfair is said") {
  std::vector<RunRecord> runs{made("freeze", 1), made("rein", 2)};
  CHECK(comparison_notes(runs).empty());
  runs[1].seed = 3;
  runs[1].iterations = 40;
  runs[1].evaluations[0].sets[1].photos = 5;
  const auto notes = comparison_notes(runs);
  REQUIRE(notes.size() == 3);
  CHECK(notes[0] == "steps differ: 20 (freeze), 20/40 (rein)");
  CHECK(notes[1] == "seeds differ: 0 (freeze), 3 (rein)");
  CHECK(notes[2].find("night") != std::string::npos);
  CHECK(comparison_table(runs).find("note: seeds differ") != std::string::npos);
}

TEST_CASE("a run that has only begun has dashes, in JSON null") {
  RunRecord young;
  young.name = "young";
  const std::vector<RunRecord> runs{made("rein", 2), young};
  CHECK(lines_of(comparison_table(runs))[1] == "night                   2.00         -");
  const auto json = nlohmann::json::parse(comparison_json(runs));
  CHECK(json.at("runs")[0].at("sets").at("night").at("miou") == 2.0);
  CHECK(json.at("runs")[0].at("sets").at("game").at("in_mean") == false);
  CHECK(json.at("runs")[0].at("trained") == 254659);
  CHECK(json.at("runs")[1].at("mean_miou").is_null());
  CHECK(json.at("runs")[1].at("trained").is_null());
}

TEST_CASE("counts and times in few characters") {
  CHECK(count_text(0) == "0");
  CHECK(count_text(999) == "999");
  CHECK(count_text(254659) == "254.7 k");
  CHECK(count_text(999960) == "1.00 M");
  CHECK(count_text(304368640) == "304 M");
  CHECK(brief_time(0.0421) == "42 ms");
  CHECK(brief_time(4.2) == "4.20 s");
  CHECK(brief_time(125) == "2 min");
  CHECK(brief_time(7200) == "2.0 h");
}

TEST_CASE("the mean of sets that are part of it, of all when none is") {
  TargetScore a, b;
  a.score.miou = 0.25;
  b.score.miou = 0.75;
  b.in_mean = false;
  CHECK(mean_miou({a, b}) == 0.25);
  a.in_mean = false;
  CHECK(mean_miou({a, b}) == 0.5);
  b.score.miou = std::numeric_limits<double>::quiet_NaN();  // not a labelled pixel
  CHECK(mean_miou({a, b}) == 0.25);
  CHECK(std::isnan(mean_miou({b})));
}

}  // namespace
}  // namespace rein::train
