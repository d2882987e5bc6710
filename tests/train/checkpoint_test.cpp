// Checkpoints: nothing lost, nothing half-written, and every kind of damage named.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/harness/complaint.h"
#include "tests/train/tiny_run.h"
#include "train/error.h"
#include "train/run/build.h"
#include "train/run/checkpoint.h"
#include "train/run/load.h"
#include "train/run/trainer.h"

using namespace rein;
using namespace rein::train;
namespace fs = std::filesystem;
using test::complaint;
using test::contents_of;
using test::has;

namespace {

Config config_of(const testing::TinyRun& run, const std::vector<std::string>& overrides = {}) {
  Config c = read_config(run / "config.toml", overrides);
  resolve_paths(c, run / "config.toml", {run.folder().path(), run.folder().path()});
  return c;
}

struct Notes final : Observer {
  void note(const std::string& text) override { notes.push_back(text); }
  void started(const RunPlan& p) override { plan = p; }
  std::vector<std::string> notes;
  RunPlan plan;
};

fs::path trained(const testing::TinyRun& run, const std::string& name, const std::vector<std::string>& overrides = {}) {
  Observer silent;
  train::train({config_of(run, overrides), run / name, false}, silent);
  return run / name;
}
void change_byte(const fs::path& file) {
  std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
  f.seekp(-1, std::ios::end);
  f.put('\x55');
}

}  // namespace

TEST_CASE("a run leaves what it should, and no more") {
  const testing::TinyRun run;
  const fs::path out = trained(run, "out");
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(out / "checkpoints")) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  const std::string best = fs::read_symlink(out / "best").filename();
  CHECK(std::ranges::find(names, best) != names.end());
  CHECK(names.size() <= 4);
  CHECK(names.back() == "step-000012");
  const SafeTensors model = SafeTensors::open(out / "checkpoints" / "step-000012" / "model.safetensors");
  CHECK(model.has("backbone.reins.learnable_tokens_a"));
  CHECK(model.has("decode_head.conv_seg.weight"));
  CHECK(model.entry("decode_head.conv_seg.weight").shape == Shape{3, 8, 1, 1});
  CHECK_FALSE(model.has("backbone.cls_token"));
}

TEST_CASE("resumed from any checkpoint a run gives the same bytes") {
  const testing::TinyRun run;
  const std::vector<std::string> all_kept = {"train.keep_last=100"};
  const fs::path whole = trained(run, "whole", all_kept);
  for (const int step : {3, 5, 8}) {
    fs::remove_all(run / "part");
    fs::copy(whole, run / "part", fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    for (int later = step + 1; later <= 12; ++later) {
      char name[32];
      std::snprintf(name, sizeof name, "step-%06d", later);
      fs::remove_all(run / "part" / "checkpoints" / name);
    }
    std::ofstream(run / "part" / "metrics.jsonl", std::ios::app) << "{\"step\":99,";  // a line that was cut
    Config c = config_of(run, all_kept);
    c.train.threads = step % 3 + 1;
    Observer silent;
    train::train({c, run / "part", true}, silent);
    CHECK(contents_of(run / "part" / "metrics.jsonl") == contents_of(whole / "metrics.jsonl"));
    const fs::path last = fs::path("checkpoints") / "step-000012";
    for (const char* file : {"model.safetensors", "optimizer.safetensors"})
      CHECK(contents_of(run / "part" / last / file) == contents_of(whole / last / file));
  }
}

TEST_CASE("micro-batches add up to the batch") {
  const testing::TinyRun run;
  const auto first_losses = [&](const std::string& name, const std::vector<std::string>& overrides) {
    struct Losses final : Observer {
      void step(const StepReport& r) override { values.push_back(r.loss), norms.push_back(r.gradient_norm); }
      std::vector<double> values, norms;
    } losses;
    train::train({config_of(run, overrides), run / name, false}, losses);
    losses.values.insert(losses.values.end(), losses.norms.begin(), losses.norms.end());
    return losses.values;
  };
  const std::vector<std::string> base = {"train.batch=4", "train.iterations=4", "train.lr=1e-3"};
  auto split = base;
  split.push_back("train.micro_batch=1");
  const auto a = first_losses("a", base), b = first_losses("b", split);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(2e-4));
}

TEST_CASE("damage is named") {
  const testing::TinyRun run;
  const fs::path out = trained(run, "out");
  const fs::path checkpoint = out / "checkpoints" / "step-000012";
  const auto damaged = [&](const std::function<void(const fs::path&)>& damage) {
    fs::remove_all(run / "copy");
    fs::copy(checkpoint, run / "copy", fs::copy_options::recursive);
    damage(run / "copy");
    return complaint([&] { read_checkpoint(run / "copy"); });
  };
  CHECK(has(damaged([](const fs::path& p) { fs::remove(p / "model.safetensors"); }), "lacks model.safetensors"));
  CHECK(has(damaged([](const fs::path& p) { fs::resize_file(p / "optimizer.safetensors", 100); }), "has 100 bytes"));
  CHECK(has(damaged([](const fs::path& p) { change_byte(p / "model.safetensors"); }), "SHA-256"));
  CHECK(has(damaged([](const fs::path& p) { fs::resize_file(p / "checkpoint.json", 40); }), "not JSON"));
  CHECK(has(damaged([](const fs::path& p) { std::ofstream(p / "checkpoint.json") << "[]"; }), "lacks \"format\""));
  CHECK(
      has(damaged([](const fs::path& p) { std::ofstream(p / "checkpoint.json") << "{\"format\":3}"; }), "wrong type"));
  CHECK(has(damaged([](const fs::path& p) { fs::remove(p / "checkpoint.json"); }), "not a checkpoint"));
  CHECK(has(complaint([&] { read_checkpoint(run / "nowhere"); }), "there is no folder"));
  // Another backbone file.
  testing::TinyRun::write_backbone(run / "other.safetensors", 2);
  CHECK(has(complaint([&] { load_trained(checkpoint, run / "other.safetensors", {}); }), "another backbone file"));
  // A model of other sizes: everything is listed.
  Config wide = config_of(run, {"model.fpn_channels=12", "model.rein.rank=0"});
  BuiltModel built = build_model(wide, 3);
  const std::string text = complaint([&] { load_model(checkpoint, *built.model); });
  CHECK(has(text, "missing"));
  CHECK(has(text, "unexpected"));
  CHECK(has(text, "misshapen"));
  CHECK_NOTHROW(load_trained(out, {}, {}));
}

TEST_CASE("resume passes over a damaged checkpoint, and refuses another run's settings") {
  const testing::TinyRun run;
  const fs::path out = trained(run, "out");
  const std::string metrics = contents_of(out / "metrics.jsonl");
  change_byte(out / "checkpoints" / "step-000012" / "model.safetensors");
  Notes notes;
  train::train({config_of(run), out, true}, notes);
  REQUIRE(notes.notes.size() == 1);
  CHECK(has(notes.notes[0], "passed over"));
  CHECK(notes.plan.first_step == 11);
  CHECK(contents_of(out / "metrics.jsonl") == metrics);
  Observer silent;
  CHECK(has(complaint([&] {
              train::train({config_of(run, {"train.lr=3e-3"}), out, true}, silent);
            }),
            "train.lr: 0.003 here"));
  CHECK(has(complaint([&] { train::train({config_of(run), out, false}, silent); }), "holds a run already"));
  testing::TinyRun::write_backbone(run / "vit.safetensors", 3);
  CHECK(has(complaint([&] { train::train({config_of(run), out, true}, silent); }), "another backbone file"));
  CHECK(contents_of(out / "metrics.jsonl") == metrics);
}

TEST_CASE("a loss that is not finite stops the run") {
  const testing::TinyRun run;
  Observer silent;
  const std::string text = complaint([&] {
    train::train({config_of(run, {"train.lr=0.9", "train.iterations=400", "train.weight_decay=1e30", "eval.batch=1",
                                  "train.eval_every=0"}),
                  run / "out", false},
                 silent);
  });
  CHECK(has(text, "the loss is"));
  CHECK(has(text, "photos"));
}
