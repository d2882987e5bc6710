// Weight files are recognised from names and shapes, and every name binds, in each published layout.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "models/zoo/zoo.h"
#include "tests/golden/zoo_files.h"
#include "tests/harness/temp_folder.h"
#include "train/verify/golden_config.h"

namespace {

using namespace rein;
using namespace rein::models;
using test::case_params;
using test::error_of;
using test::open;
using test::says;

// Names and shapes, no numbers.
class ShapeSource final : public nn::TensorSource {
 public:
  explicit ShapeSource(std::map<std::string, Shape> shapes) : shapes_(std::move(shapes)) {}
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, shape] : shapes_) names.push_back(name);
    return names;
  }
  Shape shape(const std::string& name) const override { return shapes_.at(name); }
  bool has(const std::string& name) const override { return shapes_.contains(name); }
  // Recognition may look at the positions; zeros decide nothing.
  Tensor read(const std::string& name, DType dtype) const override { return Tensor::zeros(shape(name), dtype); }
  std::string describe() const override { return "shapes"; }

 private:
  std::map<std::string, Shape> shapes_;
};

// What nn::bind would report, without reading a number: names against names, shapes against shapes.
void check_all_names_bind(const zoo::Weights& weights) {
  Vit vit(weights.model.options);
  std::vector<std::string> left = weights.source->names();
  vit.visit([&](const std::string& path, nn::Param& param) {
    const auto at = std::find(left.begin(), left.end(), path);
    CHECK_MESSAGE(at != left.end(), path << " is missing");
    if (at == left.end()) return;
    left.erase(at);
    CHECK_MESSAGE(weights.source->shape(path) == param.file_shape(), path);
  });
  for (const std::string& name : left) CHECK_MESSAGE(false, name << " is unexpected");
}

std::string text_of(const std::filesystem::path& path) {
  return test::contents_of(path);
}

// {"shape": […]}, or the shape itself, or "unknown" (then any).
Shape stated_shape(const train::GoldenConfig& json, const std::string& key) {
  try {
    return Shape(std::span<const std::int64_t>(json.object(key).integers("shape")));
  } catch (const std::runtime_error&) {
  }
  try {
    return Shape(std::span<const std::int64_t>(json.integers(key)));
  } catch (const std::runtime_error&) {
    return Shape{3};
  }
}

TEST_CASE("the manifests of published checkpoints are recognised and bind") {
  const char* folder = std::getenv("REIN_GOLDEN_DIR");
  if (folder == nullptr || *folder == '\0') {
    MESSAGE("SKIPPED: REIN_GOLDEN_DIR is not set");
    return;
  }
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(folder) / "manifests")) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("vfm_")) continue;
    const auto json = train::GoldenConfig::parse(text_of(entry.path()), name);
    std::map<std::string, Shape> shapes;
    for (const std::string& key : json.keys()) {
      if (key == "__metadata__") continue;
      shapes[key] = Shape(std::span<const std::int64_t>(json.object(key).integers("shape")));
    }
    const auto source = std::make_shared<ShapeSource>(shapes);
    INFO(name);
    ++files;
    const auto meta = json.object("__metadata__");
    const zoo::Weights weights = zoo::open_weights(source);
    // "dinov2_hf_reg" has our table of "dinov2_hf"; timm's "eva02_timm" of tiny and small is our "eva02_timm_fused".
    const std::string theirs = meta.text("layout"), found(weights.model.layout->name);
    CHECK((theirs.starts_with(found) || found.starts_with(theirs)));
    CHECK(weights.model.options.heads == meta.integer("heads"));
    CHECK(weights.model.options.patch == meta.integer("patch"));
    CHECK(weights.model.native_height == meta.integer("native"));
    const auto& windows = weights.model.options.windows;
    CHECK(windows.has_value() == meta.has("window"));
    if (windows) {
      CHECK(windows->side == meta.integer("window"));
      CHECK(windows->global_blocks == meta.integers("global_blocks"));
    }
    check_all_names_bind(weights);
    check_all_names_bind(zoo::converted(weights, 16, 32));
    if (!meta.has("may_also_contain")) continue;
    const auto more = meta.object("may_also_contain");
    for (const std::string& key : more.keys()) shapes[key] = stated_shape(more, key);
    check_all_names_bind(zoo::open_weights(std::make_shared<ShapeSource>(shapes)));
  }
  CHECK(files == 38);
}

TEST_CASE("a weight file on disk binds") {
  const test::TempFolder folder;
  write_safetensors(folder / "w.safetensors", case_params("vfm_dinov2_hf_native"));
  const zoo::Weights weights = zoo::open_weights(folder / "w.safetensors", {"", 2});
  Vit vit(weights.model.options);
  zoo::bind_weights(vit, weights, DType::f32);
  vit.visit([](const std::string& path, nn::Param& param) { CHECK_MESSAGE(param.value, path); });
}

TEST_CASE("packed rows are put together in the order q, k, v") {
  const auto params = case_params("vfm_dinov2_hf_native");
  const zoo::Weights weights = open(params);
  const Tensor qkv = weights.source->read("blocks.1.attn.qkv.weight", DType::f32);
  const std::string at = "encoder.layer.1.attention.attention.";
  std::int64_t row = 0;
  for (const char* part : {"query", "key", "value"}) {
    const Tensor piece = params.at(at + part + ".weight");
    for (std::int64_t i = 0; i < piece.count(); ++i) REQUIRE(qkv.at(row * piece.size(1) + i) == piece.at(i));
    row += piece.size(0);
  }
  CHECK(row == qkv.size(0));
  CHECK(zoo::pieces_of(*weights.model.layout, "blocks.1.attn.qkv.weight")[2] == at + "value.weight");
}

TEST_CASE("tables lead back to where they came from") {
  for (const zoo::Layout& layout : zoo::layouts()) {
    for (const zoo::NameRule& rule : layout.rules) {
      std::string theirs(rule.theirs);
      if (const auto at = theirs.find('#'); at != theirs.npos) theirs.replace(at, 1, "17");
      if (const auto at = theirs.find('*'); at != theirs.npos) theirs.replace(at, 1, "bias");
      const auto place = zoo::place_of(layout, theirs);
      REQUIRE_MESSAGE(place, theirs);
      CHECK(zoo::pieces_of(layout, place->name).at(static_cast<std::size_t>(place->part)) == theirs);
    }
  }
  CHECK(!zoo::match("blocks.#.norm1.*", "blocks.01.norm1.weight"));
  CHECK(!zoo::match("blocks.#.norm1.*", "blocks.-1.norm1.weight"));
  CHECK(!zoo::match("blocks.#.norm1.*", "blocks.1.norm1.weight.extra"));
  CHECK(!zoo::match("blocks.#.norm1.*", "blocks.99999999999999999999.norm1.weight"));
}

TEST_CASE("what does not fit is said in one report") {
  auto params = case_params("vfm_dinov2_hf_native");
  const Tensor odd = Tensor::zeros({5, 7}, DType::f32);
  params.erase("encoder.layer.2.attention.attention.key.bias");
  params["encoder.layer.1.mlp.fc1.weight"] = odd;
  params["classifier.weight"] = odd;
  const std::string text = error_of(params);
  INFO(text);
  CHECK(says(text, "a.safetensors"));
  CHECK(says(text, "blocks.2.attn.qkv.bias"));
  CHECK(says(text, "encoder.layer.2.attention.attention.key.bias"));
  CHECK(says(text, "classifier.weight"));
  CHECK(says(text, "(5, 7)"));
}

TEST_CASE("a packed tensor with unequal pieces is misshapen") {
  auto params = case_params("vfm_dinov2_hf_native");
  params["encoder.layer.0.attention.attention.query.weight"] = Tensor::zeros({25, 24}, DType::f32);
  const std::string text = error_of(params);
  INFO(text);
  CHECK(says(text, "blocks.0.attn.qkv.weight"));
  CHECK(says(text, "query.weight (25, 24)"));
}

TEST_CASE("an unknown file is told from the nearest layout") {
  const std::string nothing = error_of({{"features.0.weight", Tensor::zeros({2}, DType::f32)}});
  INFO(nothing);
  CHECK(says(nothing, "features.0.weight"));
  CHECK(says(nothing, "the nearest known layout is"));
  auto params = case_params("vfm_dinov2_hf_native");
  params.erase("embeddings.position_embeddings");
  const std::string lacking = error_of(params);
  INFO(lacking);
  CHECK(says(lacking, "dinov2_hf, which needs embeddings.position_embeddings"));
}

TEST_CASE("what shapes cannot say must be said") {
  CHECK(says(error_of(case_params("vfm_dinov2_hf_native"), {}), "number of heads is not in the file"));
  const auto params = case_params("vfm_vit_augreg_native");
  CHECK(says(error_of(params, {"resnet", 2}), "unknown family"));
  CHECK(says(error_of(params, {"", 2, "mae_ogir"}), "unknown layout \"mae_ogir\"; known: vit_augreg, "));
  CHECK(says(error_of(params, {"mae", 2, "vit_augreg"}),
             "unknown layout \"vit_augreg\" of family mae; known: mae_orig, mae_hf"));
}

TEST_CASE("an EVA-02 file may hold constants and pre-training heads, which are no weights of the model") {
  std::map<std::string, Shape> shapes = {{"cls_token", {1, 1, 192}},
                                         {"pos_embed", {1, 1025, 192}},
                                         {"patch_embed.proj.weight", {192, 3, 16, 16}},
                                         {"patch_embed.proj.bias", {192}},
                                         {"mask_token", {1, 1, 192}},
                                         {"norm.weight", {192}},
                                         {"norm.bias", {192}},
                                         {"lm_head.weight", {8192, 192}},
                                         {"lm_head.bias", {8192}},
                                         {"rope.freqs_cos", {256, 64}},
                                         {"rope.freqs_sin", {256, 64}}};
  for (const char* block : {"blocks.0.", "blocks.1."}) {
    const std::string b = block;
    for (const char* norm : {"norm1", "norm2"}) {
      shapes[b + norm + ".weight"] = {192};
      shapes[b + norm + ".bias"] = {192};
    }
    for (const char* part : {"q_proj", "k_proj", "v_proj", "proj"}) shapes[b + "attn." + part + ".weight"] = {192, 192};
    for (const char* bias : {"q_bias", "v_bias", "proj.bias"}) shapes[b + "attn." + bias] = {192};
    for (const char* table : {"freqs_cos", "freqs_sin"}) shapes[b + "attn.rope." + table] = {256, 64};
    for (const char* part : {"w1", "w2"}) {
      shapes[b + "mlp." + part + ".weight"] = {512, 192};
      shapes[b + "mlp." + part + ".bias"] = {512};
    }
    shapes[b + "mlp.w3.weight"] = {192, 512};
    shapes[b + "mlp.w3.bias"] = {192};
    shapes[b + "mlp.ffn_ln.weight"] = {512};
    shapes[b + "mlp.ffn_ln.bias"] = {512};
  }
  const zoo::Weights weights = zoo::open_weights(std::make_shared<ShapeSource>(shapes));
  const VitOptions& o = weights.model.options;
  CHECK(weights.model.layout->name == "eva02_rein");
  CHECK(!o.final_norm);
  CHECK(o.mlp_norm);
  CHECK(o.qkv_bias == nn::QkvBias::qv);
  CHECK(o.grid_height == 32);
  CHECK(o.rope.reference_grid == 16);  // a converted file: its table was 16 x 16 once
  check_all_names_bind(weights);
  shapes["blocks.1.attn.rope.freqs_cos.more"] = {2};
  CHECK(zoo::open_weights(std::make_shared<ShapeSource>(shapes)).source->has("blocks.1.attn.rope.freqs_cos.more"));
}

TEST_CASE("hostile block numbers and grids are refused") {
  auto params = case_params("vfm_dinov2_orig_native");
  params["blocks.4000000.norm1.weight"] = params.at("blocks.0.norm1.weight");
  CHECK(says(error_of(params), "block"));
  params = case_params("vfm_dinov2_orig_native");
  params["pos_embed"] = Tensor::zeros({1, 16, 24}, DType::f32);
  CHECK(says(error_of(params), "square grid"));
}

TEST_CASE("conversion keeps the class row and the other tensors") {
  const zoo::Weights weights = open(case_params("vfm_dinov2_orig_native"));
  const zoo::Weights converted = zoo::converted(weights, 8, 6);
  const Tensor before = weights.source->read("pos_embed", DType::f64),
               after = converted.source->read("pos_embed", DType::f64);
  const std::int64_t dim = before.size(2);
  CHECK(after.shape() == Shape{1, 37, dim});
  for (std::int64_t c = 0; c < dim; ++c) CHECK(before.at(c) == after.at(c));
  CHECK(converted.source->read("patch_embed.proj.weight", DType::f64).shape() == Shape{dim, 3, 8, 8});
  CHECK(converted.source->read("blocks.0.attn.qkv.weight", DType::f64).to_doubles() ==
        weights.source->read("blocks.0.attn.qkv.weight", DType::f64).to_doubles());
}

// CLIP's names and shapes, with a position table of `positions` rows.
std::map<std::string, Shape> clip_shapes(std::int64_t positions) {
  const std::int64_t c = 64;
  std::map<std::string, Shape> shapes = {{"visual.class_embedding", {c}},
                                         {"visual.positional_embedding", {positions, c}},
                                         {"visual.conv1.weight", {c, 3, 16, 16}},
                                         {"visual.ln_pre.weight", {c}},
                                         {"visual.ln_pre.bias", {c}},
                                         {"visual.proj", {c, 32}},
                                         {"logit_scale", {}}};
  const std::string block = "visual.transformer.resblocks.0.";
  for (const char* name :
       {"ln_1.weight", "ln_1.bias", "ln_2.weight", "ln_2.bias", "attn.out_proj.bias", "mlp.c_proj.bias"})
    shapes[block + name] = {c};
  shapes[block + "attn.in_proj_weight"] = {3 * c, c};
  shapes[block + "attn.in_proj_bias"] = {3 * c};
  shapes[block + "attn.out_proj.weight"] = {c, c};
  shapes[block + "mlp.c_fc.weight"] = {4 * c, c};
  shapes[block + "mlp.c_fc.bias"] = {4 * c};
  shapes[block + "mlp.c_proj.weight"] = {c, 4 * c};
  return shapes;
}

TEST_CASE("CLIP files of OpenAI and of the official Rein differ in their grids, or are named") {
  const auto layout = [](std::int64_t positions, const zoo::Hints& hints = {}) {
    const auto source = std::make_shared<ShapeSource>(clip_shapes(positions));
    const zoo::Weights weights = zoo::open_weights(source, hints);
    check_all_names_bind(weights);
    return std::string(weights.model.layout->name);
  };
  for (const std::int64_t side : {7, 14, 16, 24}) CHECK(layout(1 + side * side) == "clip_openai");
  for (const std::int64_t side : {32, 64}) CHECK(layout(1 + side * side) == "clip_rein");
  CHECK(layout(1 + 14 * 14, {.family = "", .heads = 0, .layout = "clip_rein"}) == "clip_rein");
  CHECK(layout(1 + 32 * 32, {.family = "", .heads = 0, .layout = "clip_openai"}) == "clip_openai");
  CHECK_THROWS_AS(layout(197, {.family = "", .heads = 0, .layout = "clip_hf"}), std::runtime_error);
  CHECK_THROWS_AS(layout(197, {.family = "", .heads = 0, .layout = "clip"}), std::runtime_error);
}

TEST_CASE("values under another shape keep their shape on the way back") {
  const std::vector<std::pair<zoo::Form, Shape>> theirs = {
      {zoo::Form::same, {3, 4}}, {zoo::Form::vector, {5}}, {zoo::Form::table, {10, 4}}, {zoo::Form::map, {1, 3, 3, 4}}};
  for (const auto& [form, shape] : theirs) {
    CHECK(zoo::to_our_shape(form, shape).count() == shape.count());
    CHECK(zoo::to_their_shape(form, zoo::to_our_shape(form, shape)) == shape);
  }
  CHECK(zoo::to_our_shape(zoo::Form::table, {10}) == Shape{10});  // reported as it is
  CHECK_THROWS_AS(zoo::to_their_shape(zoo::Form::map, {1, 10, 4}), std::invalid_argument);
}

}  // namespace
