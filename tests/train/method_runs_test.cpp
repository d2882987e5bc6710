// Runs of every method: what their checkpoints hold, that they resume to the same bytes, and in which other forms they
// give the same predictions.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <string>

#include "models/zoo/zoo.h"
#include "tests/harness/complaint.h"
#include "tests/train/tiny_run.h"
#include "train/convert/convert.h"
#include "train/error.h"
#include "train/export/export.h"
#include "train/run/trainer.h"

using namespace rein;
using namespace rein::train;
namespace fs = std::filesystem;
using test::complaint;
using test::contents_of;
using test::has;

namespace {

// Small settings of each, for a ViT of 4 blocks.
const std::map<std::string, std::vector<std::string>> settings = {
    {"lora", {"model.lora.rank=3", "model.lora.targets=\"q,v,fc2\"", "model.lora.alpha=5.0"}},
    {"soma", {"model.soma.rank=2", "model.soma.first_block=2"}},
    {"bitfit", {}},
    {"vpt", {"model.vpt.prompts=3"}},
    {"adaptformer", {"model.adaptformer.bottleneck=4", "model.adaptformer.dropout=0.3"}},
};

std::vector<std::string> overrides_of(const std::string& method, const std::vector<std::string>& more = {}) {
  std::vector<std::string> all = {"model.method=\"" + method + "\"", "train.iterations=3", "train.eval_every=0"};
  for (const auto* list : {&settings.at(method), &more}) all.insert(all.end(), list->begin(), list->end());
  return all;
}

fs::path trained(const testing::TinyRun& run, const std::string& name, const std::string& method,
                 const std::vector<std::string>& more = {}, bool resume = false) {
  Config c = read_config(run / "config.toml", overrides_of(method, more));
  resolve_paths(c, run / "config.toml", {run.folder().path(), run.folder().path()});
  Observer silent;
  train::train({c, run / name, resume}, silent);
  return run / name;
}

Tensor scores_of(const LoadedModel& m) {
  return m.built.model->scores(random_normal(RandomKey(4), Shape{1, 40, 32, 3}, 0, 1, DType::f32));
}

double distance(const Tensor& a, const Tensor& b) {
  const std::vector<double> x = a.to_doubles(), y = b.to_doubles();
  double most = 0, apart = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    most = std::max(most, std::abs(y[i]));
    apart = std::max(apart, std::abs(x[i] - y[i]));
  }
  return apart / most;
}

}  // namespace

TEST_CASE("checkpoints hold what was trained, and runs resume to the same bytes") {
  const testing::TinyRun run;
  for (const auto& [method, unused] : settings) {
    CAPTURE(method);
    const fs::path out = trained(run, method, method, {"train.keep_last=9"});
    const fs::path last = out / "checkpoints/step-000003/model.safetensors";
    const SafeTensors file = SafeTensors::open(last);
    std::size_t own = 0, biases = 0;
    for (const std::string& name : file.names()) {
      CAPTURE(name);
      const bool adapters = name.starts_with("backbone." + method + ".");
      const bool bias = name.starts_with("backbone.blocks.") && name.ends_with(".bias");
      own += adapters;
      biases += bias;
      CHECK((adapters || bias || !name.starts_with("backbone.")));
      CHECK(name.find("start_") == name.npos);
    }
    CHECK((own > 0) == (method != "bitfit"));
    CHECK(biases == (method == "soma" ? 2 * 4 : method == "bitfit" ? 4 * 6 : 0));
    CHECK(fs::exists(out / "adapter_constants.safetensors") == (method == "soma"));
    const std::string whole = contents_of(last);
    for (const char* later : {"step-000002", "step-000003"}) fs::remove_all(out / "checkpoints" / later);
    fs::remove(out / "best");
    trained(run, method, method, {"train.keep_last=9"}, true);
    CHECK(contents_of(last) == whole);
  }
}

TEST_CASE("a method's constants are taken from the run when they are whole and its own, and made again otherwise") {
  const testing::TinyRun run;
  const fs::path out = trained(run, "out", "soma"), file = out / "adapter_constants.safetensors";
  const Tensor scores = scores_of(load_trained(out, {}, {}));
  const std::string good = contents_of(file);
  std::string changed = good;
  changed.back() = static_cast<char>(changed.back() + 1);
  for (const std::string& bytes : {changed, good.substr(0, 50), std::string(), std::string("x")}) {
    run.folder().write("out/adapter_constants.safetensors", bytes);
    CHECK(scores_of(load_trained(out, {}, {})).to_doubles() == scores.to_doubles());
  }
  // Of another rank's run: not taken, and a run that begins puts its own there.
  fs::create_directory(run / "other");
  fs::copy_file(run / "out/adapter_constants.safetensors", run / "other/adapter_constants.safetensors");
  run.folder().write("other/adapter_constants.safetensors", good);
  trained(run, "other", "soma", {"model.soma.alpha=3.0"});
  CHECK(contents_of(run / "other/adapter_constants.safetensors") != good);
  // What is there is believed: constants are not computed twice.
  run.folder().write("out/adapter_constants.safetensors", good);
  CHECK(scores_of(load_trained(out, {}, {})).to_doubles() == scores.to_doubles());
}

TEST_CASE("merged, exported and converted models predict what the run predicts") {
  const testing::TinyRun run;
  for (const auto& [method, unused] : settings) {
    CAPTURE(method);
    const bool merges = method == "lora" || method == "soma" || method == "bitfit";
    const fs::path out = trained(run, method, method, {"train.lr=0.05"});
    const LoadedModel loaded = load_trained(out, {}, {}), merged = load_trained(out, {}, {}, "", Form::merged);
    const Tensor scores = scores_of(loaded);
    CHECK((merged.built.model->backbone().adapter() == nullptr) == merges);
    CHECK(distance(scores_of(merged), scores) < 1e-6);
    CHECK(merged.info.method == method);
    for (const LoadedModel* model : {&loaded, &merged}) {
      export_model(*model, run / (method + ".rein"), true);
      const LoadedModel again = load_trained(run / (method + ".rein"), {}, {});
      CHECK(scores_of(again).to_doubles() == scores_of(*model).to_doubles());
    }
    const fs::path file = run / (method + ".safetensors");
    Conversion as_augreg;
    as_augreg.layout = "vit_augreg";
    const auto to_backbone = [&] { export_merged(out, file, as_augreg, {}, {}); };
    if (!merges) {
      CHECK(has(complaint(to_backbone), "method " + method + " cannot be merged"));
      CHECK_FALSE(fs::exists(file));
      continue;
    }
    // The backbone's own file is another one now; a model of it without an adapter has the same features.
    to_backbone();
    models::zoo::Weights weights = models::zoo::open_weights(file, {.family = "", .heads = 2, .layout = {}});
    models::Vit vit(weights.model.options);
    vit.name_tree();
    vit.freeze();
    models::zoo::bind_weights(vit, weights, DType::f32);
    vit.visit([&](const std::string& path, nn::Param& p) {
      CAPTURE(path);
      const Tensor trained_value = nn::collect(merged.built.model->backbone().vit(), {}).at(path);
      CHECK(nn::to_file_layout(p, p.value.value()).to_doubles() == trained_value.to_doubles());
    });
    const LoadedModel rounded = load_trained(out, {}, {}, "bf16", Form::merged);
    CHECK(distance(scores_of(rounded), scores) < 0.05);
    CHECK(distance(scores_of(rounded), scores) > 0);
  }
}

TEST_CASE("LoRA goes to peft's names and back") {
  const testing::TinyRun run;
  const std::vector<std::string> packed = {"model.lora.targets=\"qkv,fc1\""};
  const fs::path out = trained(run, "out", "lora", packed);
  const fs::path file = run / "peft/adapter_model.safetensors";
  fs::create_directory(run / "peft");
  export_peft(out, file, {}, {}, {});
  const SafeTensors peft = SafeTensors::open(file);
  CHECK(peft.names().size() == 4 * 2 * 2);
  CHECK(peft.entry("base_model.model.blocks.3.attn.qkv.lora_B.weight").shape == Shape{48, 3});
  CHECK(peft.entry("base_model.model.blocks.0.mlp.fc1.lora_A.weight").shape == Shape{3, 16});
  const std::string about = contents_of(run / "peft/adapter_config.json");
  for (const char* part : {"\"peft_type\": \"LORA\"", "\"r\": 3", "\"lora_alpha\": 5.0", "\"attn.qkv\"", "\"mlp.fc1\""})
    CHECK(has(about, part));

  std::string text = contents_of(run / "config.toml");
  text.replace(text.find("method = \"rein\""), 15, "method = \"lora\"");
  const std::string lora = "[model.lora]\nrank = 3\nalpha = 5.0\ntargets = \"qkv,fc1\"\n";
  const Roots roots{run.folder().path(), run.folder().path()};
  run.folder().write("lora.toml", text + lora);
  CHECK(is_peft_adapter(peft.names()));
  import_peft(file, run / "again", run / "lora.toml", roots);
  const SafeTensors before = SafeTensors::open(out / "checkpoints/step-000003/model.safetensors");
  const SafeTensors after = SafeTensors::open(run / "again/model.safetensors");
  CHECK(before.names() == after.names());
  for (const std::string& name : after.names()) {
    CAPTURE(name);
    const bool same = before.tensor(name).to_doubles() == after.tensor(name).to_doubles();
    if (name.starts_with("backbone.lora.")) CHECK(same);
  }
  CHECK(has(complaint([&] { import_peft(file, run / "again", run / "lora.toml", roots); }), "exists already"));
  run.folder().write("lora.toml", text + "[model.lora]\nrank = 2\n");
  const std::string misfit = complaint([&] { import_peft(file, run / "x", run / "lora.toml", roots); });
  CHECK(has(misfit, "does not fit the LoRA of the configuration"));
  CHECK(has(misfit, "blocks.0.attn.qkv.lora_A.weight: must have shape (2, 16), got (3, 16)"));
  CHECK(has(misfit, "unexpected (8)"));
  CHECK(has(complaint([&] { import_peft(file, run / "x", run / "config.toml", roots); }), "is not of method lora"));
  CHECK_FALSE(fs::exists(run / "x"));
  CHECK(has(complaint([&] { export_peft(trained(run, "parts", "lora"), file, {}, {}, {}); }), "no one layer for"));
  CHECK(has(complaint([&] { export_peft(trained(run, "vpt", "vpt"), file, {}, {}, {}); }), "is not of method lora"));
}
