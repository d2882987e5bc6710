// rein export's file: it predicts what the model it came from predicts, and nothing in a damaged one is believed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>

#include "models/segmentor.h"
#include "tensor/error.h"
#include "tensor/io/sha256.h"
#include "tests/harness/complaint.h"
#include "tests/train/tiny_run.h"
#include "train/export/export.h"

using namespace rein;
using namespace rein::train;
namespace fs = std::filesystem;
using test::complaint;
using test::contents_of;
using test::has;

namespace {

constexpr const char* heads[] = {"semantic_fpn", "mask2former"};

// A model as a run leaves it: what is trained has moved from its start.
LoadedModel model_of(const testing::TinyRun& run, const std::vector<std::string>& overrides) {
  LoadedModel m;
  m.config = read_config(run / "config.toml", overrides);
  resolve_paths(m.config, run / "config.toml", {run.folder().path(), run.folder().path()});
  m.info.step = 12;
  m.info.method = m.config.model.method;
  m.info.backbone_file = "vit.safetensors";
  m.info.backbone_sha256 = sha256_of_file(m.config.model.backbone);
  m.info.classes = {{"ground", "thing", "sky"}, data::default_palette(3)};
  m.built = build_model(m.config, 3);
  m.info.norm = m.built.norm;
  m.built.model->visit([](const std::string& path, nn::Param& p) {
    if (p.frozen) return;
    Tensor moved = random_normal(RandomKey(9).child(path), p.shape, 0, 0.05, DType::f32);
    const Tensor before = p.value.value();
    float* const to = moved.mutable_data<float>();
    for (std::int64_t i = 0; i < moved.count(); ++i) to[i] += before.data<float>()[i];
    p.value = parameter(std::move(moved));
  });
  return m;
}

Tensor scores_of(const LoadedModel& m) {
  return m.built.model->scores(random_normal(RandomKey(4), Shape{1, 40, 32, 3}, 0, 1, DType::f32));
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

// The file with one tensor or key changed.
struct Contents {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
  explicit Contents(const fs::path& file) {
    const SafeTensors in = SafeTensors::open(file);
    for (const std::string& name : in.names()) tensors[name] = in.tensor(name).clone();
    metadata = in.metadata();
  }
};

}  // namespace

TEST_CASE("an exported model predicts what its run predicts") {
  const testing::TinyRun run;
  for (const char* head : heads) {
    for (const std::string method : {"freeze", "rein", "full"}) {
      CAPTURE(head);
      CAPTURE(method);
      const std::vector<std::string> what = {"model.head=" + std::string(head), "model.method=" + method,
                                             "model.rein.link_queries=true"};
      const LoadedModel ours = model_of(run, what);
      const Exported done = export_model(ours, run / "f32.rein", true);
      CHECK(done.bytes == fs::file_size(run / "f32.rein"));
      const LoadedModel back = open_exported(run / "f32.rein");
      CHECK(same_bits(scores_of(back), scores_of(ours)));
      CHECK(back.info.classes == ours.info.classes);
      CHECK(back.info.norm.mean == ours.info.norm.mean);
      CHECK(back.info.norm.std == ours.info.norm.std);
      CHECK(back.info.step == 12);
      CHECK(back.built.family == ours.built.family);
      CHECK(back.config.eval.window == ours.config.eval.window);
      if (method == "full") {
        CHECK(has(complaint([&] { open_exported(run / "f32.rein", "bf16"); }), "trained backbone"));
        continue;
      }
      auto rounded = what;
      rounded.emplace_back("model.precision=bf16");
      const LoadedModel low = model_of(run, rounded);
      const Exported small = export_model(low, run / "bf16.rein", true);
      CHECK(small.bytes < done.bytes);
      CHECK_FALSE(same_bits(scores_of(low), scores_of(ours)));
      CHECK(same_bits(scores_of(open_exported(run / "bf16.rein")), scores_of(low)));
      CHECK(same_bits(scores_of(open_exported(run / "bf16.rein", "bf16")), scores_of(low)));
      CHECK(same_bits(scores_of(open_exported(run / "f32.rein", "bf16")), scores_of(low)));
      CHECK(has(complaint([&] { open_exported(run / "bf16.rein", "f32"); }), "was rounded to bf16"));
    }
  }
}

TEST_CASE("an exported file exports again, and replaces nothing unasked") {
  const testing::TinyRun run;
  const LoadedModel ours = model_of(run, {});
  export_model(ours, run / "a.rein", false);
  const std::string bytes = contents_of(run / "a.rein");
  CHECK(has(complaint([&] { export_model(ours, run / "a.rein", false); }), "exists already"));
  CHECK(contents_of(run / "a.rein") == bytes);
  export_model(open_exported(run / "a.rein"), run / "b.rein", false);
  CHECK(contents_of(run / "b.rein").size() == bytes.size());
  CHECK(same_bits(scores_of(open_exported(run / "b.rein")), scores_of(ours)));
  CHECK(has(complaint([&] { export_model(ours, run / "nowhere/a.rein", false); }), "nowhere"));
}

TEST_CASE("everything that does not fit is said at once") {
  const testing::TinyRun run;
  export_model(model_of(run, {}), run / "a.rein", false);
  const auto refused = [&](const std::function<void(Contents&)>& change) {
    Contents c(run / "a.rein");
    change(c);
    write_safetensors(run / "bad.rein", c.tensors, c.metadata);
    return complaint([&] { open_exported(run / "bad.rein"); });
  };
  const std::string all = refused([](Contents& c) {
    c.tensors.erase("backbone.reins.scale");
    c.tensors["decode_head.conv_seg.bias"] = Tensor::zeros(Shape{4}, DType::f32);
    c.tensors["vit.blocks.1.mlp.fc1.bias"] = Tensor::zeros(Shape{64}, DType::i64);
    c.tensors["vit.norm.weight"] = Tensor::zeros(Shape{16}, DType::bf16);
    c.tensors["vit.head.weight"] = Tensor::zeros(Shape{16}, DType::f32);
    c.tensors["surprise"] = Tensor::zeros(Shape{1}, DType::f32);
  });
  for (const char* part : {"bad.rein", "missing (1):\n  backbone.reins.scale", "unexpected (2)", "surprise",
                           "vit.head.weight", "decode_head.conv_seg.bias: must have shape (3), got (4)",
                           "vit.blocks.1.mlp.fc1.bias: must be F32, got I64", "vit.norm.weight: must be F32, got BF16"})
    CHECK(has(all, part));
  CHECK(has(refused([](Contents& c) { c.metadata["rein.format"] = "rein-model-2"; }), "reads \"rein-model-1\""));
  CHECK(has(refused([](Contents& c) { c.metadata.erase("rein.format"); }), "is not an exported model"));
  for (const char* key : {"rein.layout", "rein.config", "rein.info"})
    CHECK(has(refused([&](Contents& c) { c.metadata.erase(key); }), key));
  CHECK(has(refused([](Contents& c) { c.metadata["rein.layout"] = "resnet"; }), "unknown layout"));
  CHECK(has(refused([](Contents& c) { c.metadata["rein.config"] += "\n[model.rien]\n"; }), "did you mean"));
  CHECK(has(refused([](Contents& c) { c.metadata["rein.info"] = "[]"; }), "lacks \"format\""));
  CHECK(has(refused([](Contents& c) { c.metadata["rein.info"] = std::string(200000, '['); }), "is not JSON"));
  CHECK(has(refused([](Contents& c) { c.metadata["rein.config"] = "a=" + std::string(200000, '['); }), "rein.config"));
  const auto config = [&](const std::string& from, const std::string& to) {
    return refused([&](Contents& c) {
      std::string& text = c.metadata["rein.config"];
      const auto at = text.find(from);
      REQUIRE(at != text.npos);
      text.replace(at, from.size(), to);
    });
  };
  CHECK(has(config("token_length = 6", "token_length = 999999999999"), "token_length"));
  CHECK(has(config("token_length = 6", "token_length = 60000"), "must have shape"));
  CHECK(has(config("image_size = 32", "image_size = 64"), "a grid of 4"));
  CHECK(has(config("patch = 0", "patch = 16"), "has patch 8"));
  CHECK(has(config("head = \"semantic_fpn\"", "head = \"mask2former\""), "missing"));
  CHECK(has(config("heads = 2", "heads = 3"), "no multiple of 3"));
}

TEST_CASE("exported files that were cut or changed are refused with a text") {
  const testing::TinyRun run;
  export_model(model_of(run, {}), run / "a.rein", false);
  const std::string good = contents_of(run / "a.rein");
  std::uint64_t header = 0;
  std::memcpy(&header, good.data(), sizeof header);
  const auto opened = [&](const std::string& bytes) {
    run.folder().write("bad.rein", bytes);
    return complaint([&] { open_exported(run / "bad.rein"); });
  };
  for (std::size_t cut = 0; cut < 8 + header; cut += 64) {
    CAPTURE(cut);
    CHECK(has(opened(good.substr(0, cut)), "bad.rein"));
  }
  CHECK(has(opened(good.substr(0, good.size() - 1)), "bad.rein"));
  // A changed byte may still be a valid file (a colour, a path); it must never be more than a text.
  int refusals = 0;
  for (std::size_t i = 0; i < 400; ++i) {
    std::string bytes = good;
    const std::size_t at = 8 + static_cast<std::size_t>(RandomKey(3).below(i, header));
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << i % 8));
    if (opened(bytes) != "nothing was thrown") ++refusals;
  }
  CHECK(refusals > 100);
}
