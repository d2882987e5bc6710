// Weight files are recognised from names and shapes, and every name binds, in each published layout.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "models/zoo/zoo.h"
#include "tensor/io/safetensors.h"
#include "tests/harness/temp_folder.h"
#include "train/golden_config.h"

namespace {

using namespace rein;
using namespace rein::models;

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
  Tensor read(const std::string&, DType) const override { throw std::logic_error("only shapes here"); }
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

TEST_CASE("the manifests of published checkpoints are recognised and bind") {
  const char* folder = std::getenv("REIN_GOLDEN_DIR");
  if (folder == nullptr || *folder == '\0') {
    MESSAGE("SKIPPED: REIN_GOLDEN_DIR is not set");
    return;
  }
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(folder) / "manifests")) {
    const std::string name = entry.path().filename().string();
    const bool ours =
        name.starts_with("vfm_timm_vit_") || name.starts_with("vfm_orig_dinov2_") || name.starts_with("vfm_hf_dinov2");
    if (!name.starts_with("vfm_")) continue;
    const auto json = train::GoldenConfig::parse(text_of(entry.path()), name);
    std::map<std::string, Shape> shapes;
    for (const std::string& key : json.keys()) {
      if (key == "__metadata__") continue;
      shapes[key] = Shape(std::span<const std::int64_t>(json.object(key).integers("shape")));
    }
    const auto source = std::make_shared<ShapeSource>(shapes);
    INFO(name);
    if (!ours) {  // a family that has no table yet is refused, never taken for another one
      CHECK_THROWS_AS(zoo::recognise(*source), std::runtime_error);
      continue;
    }
    ++files;
    const auto meta = json.object("__metadata__");
    const zoo::Weights weights = zoo::open_weights(source);
    CHECK(meta.text("layout").starts_with(weights.model.layout->name));
    CHECK(weights.model.options.heads == meta.integer("heads"));
    CHECK(weights.model.options.patch == meta.integer("patch"));
    CHECK(weights.model.native_height == meta.integer("native"));
    check_all_names_bind(weights);
    check_all_names_bind(zoo::converted(weights, 16, 32));
  }
  CHECK(files == 16);
}

std::map<std::string, Tensor> case_params(const std::string& name) {
  const SafeTensors file = SafeTensors::open("tests/golden/" + name + ".safetensors");
  std::map<std::string, Tensor> params;
  for (const std::string& tensor : file.names())
    if (tensor.starts_with("param.")) params[tensor.substr(6)] = file.tensor(tensor).clone();
  return params;
}

zoo::Weights open(std::map<std::string, Tensor> params, const zoo::Hints& hints = {"", 2}) {
  return zoo::open_weights(std::make_shared<nn::MapSource>(std::move(params), "a.safetensors"), hints);
}

std::string error_of(std::map<std::string, Tensor> params, const zoo::Hints& hints = {"", 2}) {
  try {
    const zoo::Weights weights = open(std::move(params), hints);
    Vit vit(weights.model.options);
    zoo::bind_weights(vit, weights, DType::f32);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "";
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
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
  // Without its classifier, timm's ViT has the names of an MAE encoder.
  auto params = case_params("vfm_vit_augreg_native");
  CHECK(error_of(params) == "");
  params.erase("head.weight");
  params.erase("head.bias");
  CHECK(says(error_of(params), "head.weight"));
  CHECK(error_of(params, {"vit_augreg", 2}) == "");
  CHECK(says(error_of(params, {"resnet", 2}), "unknown family"));
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

}  // namespace
