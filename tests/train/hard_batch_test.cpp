// Runs of both heads on batches that are split, empty or broken: gradients of micro-batches add up to those of the
// batch through the configuration, and what is odd about a step is counted and said.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/train/tiny_run.h"
#include "train/error.h"
#include "train/run/load.h"
#include "train/run/records.h"
#include "train/run/trainer.h"

using namespace rein;
using namespace rein::train;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> with_head(const std::string& head, std::vector<std::string> more = {}) {
  more.push_back("model.head=" + head);
  if (head == "mask2former") more.push_back("model.rein.link_queries=true");
  return more;
}

struct Reports final : Observer {
  void step(const StepReport& r) override { steps.push_back(r); }
  std::vector<StepReport> steps;
};

RunResult run_of(const testing::TinyRun& run, const fs::path& out, const std::vector<std::string>& overrides,
                 Reports& reports) {
  Config c = read_config(run / "config.toml", overrides);
  resolve_paths(c, run / "config.toml", {run.folder().path(), run.folder().path()});
  return train::train({c, out, false}, reports);
}

void remove_labels(const testing::TinyRun& run, int first, int last) {
  for (int i = first; i < last; ++i)
    data::write_gray_png(run / ("set/labels/p" + std::to_string(i) + ".png"), data::LabelMap(40, 52, 255));
}

std::vector<nlohmann::json> lines_of(const fs::path& file) {
  std::vector<nlohmann::json> lines;
  std::istringstream in(test::contents_of(file));
  for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

}  // namespace

TEST_CASE("train.micro_batch: both heads get the gradients of the whole batch") {
  for (const std::string head : {"semantic_fpn", "mask2former"}) {
    CAPTURE(head);
    const testing::TinyRun run;
    remove_labels(run, 0, 4);  // four of seven: images without a target divide differently from images with some
    std::map<std::string, Tensor> whole;
    StepReport first;
    for (const std::string micro : {"4", "1"}) {
      CAPTURE(micro);
      Reports reports;
      const fs::path out = run / ("micro" + micro);
      // One step: the first moment is (1 - beta1) times the gradient. The following steps would also compare decisions
      // (which query gets which mask) that rounding may turn.
      run_of(
          run, out,
          with_head(head, {"train.batch=4", "train.iterations=1", "train.eval_every=0", "train.micro_batch=" + micro}),
          reports);
      REQUIRE(reports.steps.size() == 1);
      const StepReport& report = reports.steps[0];
      CHECK_FALSE(report.no_labels);
      CHECK(report.accuracy.has_value() == (head == "semantic_fpn"));
      CHECK(lines_of(out / "metrics.jsonl")[0].at("acc").is_null() == (head == "mask2former"));
      std::map<std::string, Tensor> moments;
      const SafeTensors file = SafeTensors::open(out / "checkpoints/step-000001/optimizer.safetensors");
      for (const std::string& name : file.names())
        if (name.find("exp_avg_sq") == name.npos && is_floating(file.entry(name).dtype))
          moments[name] = file.tensor(name);
      REQUIRE(moments.size() > 20);
      if (whole.empty()) {
        for (const auto& [name, t] : moments) whole[name] = t.clone();
        first = report;
        continue;
      }
      CHECK(report.loss == doctest::Approx(first.loss).epsilon(1e-5));
      CHECK(report.gradient_norm == doctest::Approx(first.gradient_norm).epsilon(1e-4));
      float largest = 0;
      for (const auto& [name, t] : whole)
        for (const float v : t.values<float>()) largest = std::max(largest, std::abs(v));
      REQUIRE(largest > 0);
      for (const auto& [name, reference] : whole) {
        CAPTURE(name);
        const auto ours = moments.at(name).values<float>(), theirs = reference.values<float>();
        float worst = 0, scale = 1e-4F * largest;
        for (std::size_t i = 0; i < theirs.size(); ++i) {
          worst = std::max(worst, std::abs(ours[i] - theirs[i]));
          scale = std::max(scale, std::abs(theirs[i]));
        }
        CHECK(worst / scale < 2e-3F);
      }
    }
  }
}

TEST_CASE("batches without a labelled pixel are trained through, counted and said, with both heads") {
  for (const std::string head : {"semantic_fpn", "mask2former"}) {
    CAPTURE(head);
    const testing::TinyRun run;
    remove_labels(run, 0, 7);
    Reports reports;
    const RunResult result =
        run_of(run, run / "out",
               with_head(head, {"train.iterations=2", "train.eval_every=0", "train.checkpoint_every=9"}), reports);
    CHECK(result.batches_without_labels == 2);
    CHECK(result.steps_with_bad_costs == 0);
    for (const StepReport& r : reports.steps) {
      CHECK(r.no_labels);
      CHECK_FALSE(r.accuracy.has_value());
      CHECK(std::isfinite(r.loss));
    }
    const auto lines = lines_of(run / "out/metrics.jsonl");
    CHECK(lines[0].at("no_labels") == true);
    CHECK(lines[0].at("acc").is_null());
    CHECK_FALSE(lines[0].contains("bad_costs"));
    REQUIRE(result.scores.size() == 1);  // the last evaluation ran
  }
}

TEST_CASE("bad costs of matching reach the report, the metrics, and the error that stops a run") {
  StepReport report;
  report.step = 3;
  CHECK(step_line(report) == "{\"step\":3,\"loss\":0.0,\"acc\":null,\"lr\":0.0,\"grad_norm\":0.0}\n");
  report.accuracy = 50;
  report.bad_costs = 7;
  CHECK(step_line(report) == "{\"step\":3,\"loss\":0.0,\"acc\":50.0,\"lr\":0.0,\"grad_norm\":0.0,\"bad_costs\":7}\n");

  // A backbone that gives NaN: every cost is bad, and so is the loss.
  const testing::TinyRun run;
  const SafeTensors file = SafeTensors::open(run / "vit.safetensors");
  std::map<std::string, Tensor> tensors;
  for (const std::string& name : file.names()) tensors[name] = file.tensor(name).clone();
  tensors.at("blocks.0.mlp.fc2.bias").fill(std::numeric_limits<double>::quiet_NaN());
  write_safetensors(run / "broken.safetensors", tensors);
  Reports reports;
  CHECK_THROWS_WITH_AS(
      run_of(run, run / "out", with_head("mask2former", {"model.backbone=broken.safetensors"}), reports),
      doctest::Contains(" costs of matching were NaN or infinite"), CheckFailed);
}
