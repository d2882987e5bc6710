// Header-only files made from the published manifests: each is recognised as its family, layout and size, every name
// binds, and what is left over is what the table calls ignored. Files that are nearly right are told apart.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "models/zoo/export.h"
#include "models/zoo/report.h"
#include "models/zoo/zoo.h"
#include "tests/golden/manifest_files.h"
#include "train/verify/golden_config.h"

namespace {

using namespace rein;
using namespace rein::models;
using test::Manifest;
using Tensors = std::map<std::string, test::ManifestTensor>;

// What nn::bind would report, without reading a number.
void check_all_names_bind(const zoo::Weights& weights) {
  Vit vit(weights.model.options);
  std::vector<std::string> names = weights.source->names();
  std::set<std::string> left(names.begin(), names.end());
  vit.visit([&](const std::string& path, nn::Param& param) {
    CHECK_MESSAGE(left.erase(path) == 1, path << " is missing");
    if (weights.source->has(path)) CHECK_MESSAGE(weights.source->shape(path) == param.file_shape(), path);
  });
  for (const std::string& name : left) CHECK_MESSAGE(false, name << " is unexpected");
}

std::string_view expected_size(const std::string& name) {
  const std::pair<const char*, std::string_view> endings[] = {
      {"tiny", "tiny"},   {"small", "small"}, {"base", "base"},  {"large", "large"}, {"huge", "huge"},
      {"giant", "giant"}, {"vits", "small"},  {"vitb", "base"},  {"vitl", "large"},  {"vitg", "giant"},
      {"vit_h", "huge"},  {"vit_l", "large"}, {"vit_b", "base"}, {"_L_", "large"},   {"_B_", "base"},
      {"ViT-B", "base"},  {"ViT-L", "large"}};
  for (const auto& [part, size] : endings)
    if (name.find(part) != name.npos) return size;
  return "";
}

class Files {
 public:
  const std::vector<Manifest>& all() const { return all_; }
  std::filesystem::path write(const Tensors& tensors) const {
    test::write_hollow(folder_ / "a.safetensors", tensors);
    return folder_ / "a.safetensors";
  }
  Tensors tensors(const std::string& name) const { return test::manifest_named(all_, name).tensors; }
  std::string error_of(const Tensors& tensors, const zoo::Hints& hints = {}) const {
    try {
      const zoo::Weights weights = zoo::open_weights(write(tensors), hints);
      Vit vit(weights.model.options);
      zoo::bind_weights(vit, weights, DType::f32);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "no error";
  }

 private:
  test::TempFolder folder_;
  std::vector<Manifest> all_ = test::read_manifests();
};

bool says(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("'", text, "' should contain '", part, "'");
  return found;
}

}  // namespace

TEST_CASE("every published manifest is recognised, binds whole, and goes back to its own names") {
  const Files files;
  CHECK(files.all().size() == 38);
  for (const Manifest& m : files.all()) {
    INFO(m.name);
    const auto path = files.write(m.tensors);
    const zoo::Weights weights = zoo::open_weights(path);
    const std::string found(weights.model.layout->name);
    // "dinov2_hf_reg" has our table of "dinov2_hf"; timm's "eva02_timm" of tiny and small is our "eva02_timm_fused".
    CHECK((m.layout.starts_with(found) || found.starts_with(m.layout)));
    CHECK(weights.model.options.heads == m.heads);
    CHECK(weights.model.options.patch == m.patch);
    CHECK(weights.model.native_height == m.native);
    const std::string_view size = expected_size(m.name);
    REQUIRE(!size.empty());
    CHECK(zoo::size_name(weights.model.options.dim, weights.model.options.depth) == size);
    check_all_names_bind(weights);
    check_all_names_bind(zoo::converted(weights, 16, 32));
    // Names and shapes of an export in the same layout are those of the file, without the ignored ones.
    Tensors expected = m.tensors;
    std::erase_if(expected, [&](const auto& t) { return weights.model.layout->ignores(t.first); });
    const auto back = zoo::as_layout(weights, *weights.model.layout, DType::f32);
    CHECK(back.size() == expected.size());
    for (const TensorToWrite& t : back) {
      const auto at = expected.find(t.name);
      REQUIRE_MESSAGE(at != expected.end(), t.name);
      CHECK_MESSAGE(t.shape == Shape(std::span<const std::int64_t>(at->second.shape)), t.name);
    }
    // Its family and size can be asked for; others are refused.
    const std::string family(weights.model.layout->family);
    CHECK(zoo::open_weights(path, {family + "-" + std::string(size)}).model.layout == weights.model.layout);
    CHECK(says(files.error_of(m.tensors, {family + (size == "tiny" ? "-base" : "-tiny")}), "is asked for"));
  }
}

TEST_CASE("what is asked for and what came are both said") {
  const Files files;
  const Tensors small = files.tensors("hf_dinov2-small"), clip = files.tensors("openai_clip_ViT-L-14");
  CHECK(says(files.error_of(small, {"dinov2-large"}),
             "is dinov2-small (dinov2_hf: 12 blocks of 384); dinov2-large is asked for"));
  CHECK(says(files.error_of(clip, {"dinov2"}), "is clip (clip_openai); dinov2 is asked for"));
  CHECK(says(files.error_of(clip, {"dinov2-enormous"}), "unknown size \"enormous\""));
  CHECK(says(files.error_of(files.tensors("hf_sam-vit-base"), {"eva02"}), "is sam (sam_hf); eva02 is asked for"));
}

TEST_CASE("one tensor missing, one too many, one misshapen: said in the file's own names") {
  const Files files;
  for (const Manifest& m : files.all()) {
    if (m.tensors.size() > 250) continue;  // the small ones of each family
    INFO(m.name);
    Tensors tensors = m.tensors;
    const auto block = std::ranges::find_if(tensors, [](const auto& t) { return t.first.find(".3.") != t.first.npos; });
    REQUIRE(block != tensors.end());
    const std::string name = block->first;
    const test::ManifestTensor whole = block->second;
    tensors.erase(name);
    CHECK(says(files.error_of(tensors), name));
    tensors[name] = {whole.dtype, {7, 3}};
    const std::string text = files.error_of(tensors);
    CHECK(says(text, name));
    CHECK(says(text, "(7, 3)"));
    tensors[name] = whole;
    tensors["surprise.weight"] = {"F32", {2}};
    CHECK(says(files.error_of(tensors), "surprise.weight"));
  }
}

TEST_CASE("files that hold something else") {
  const Files files;
  const Tensors adapter = {{"backbone.reins.scale", {"F32", {}}},
                           {"backbone.reins.learnable_tokens_a", {"F32", {24, 100, 16}}}};
  Tensors both = adapter;
  both["decode_head.cls_embed.weight"] = {"F32", {20, 256}};
  CHECK(says(files.error_of(adapter), "it is a Rein adapter without the backbone: adapter (2 tensors)"));
  CHECK(says(files.error_of(both), "it is a Rein checkpoint without the backbone: adapter (2 tensors) and head (1"));
  CHECK(says(files.error_of({{"head.weight", {"F32", {19, 384}}}, {"head.bias", {"F32", {19}}}}),
             "it is a head without the backbone: head (2 tensors)"));
  Tensors quantised = files.tensors("hf_dinov2-small");
  for (auto& [name, tensor] : quantised)
    if (tensor.shape.size() == 2 && tensor.shape[0] > 1) tensor.dtype = "I8";
  CHECK(says(files.error_of(quantised), "dtype I8 is not supported"));
  for (auto& [name, tensor] : quantised)
    if (tensor.dtype == "I8") tensor.dtype = "I64";
  CHECK(says(files.error_of(quantised), "holds integers (I64); weights must be F32"));
  CHECK(says(files.error_of({{"x", {"F32", {2}}}}), "no known ViT in "));
  // The backbone inside a whole segmentor's file.
  Tensors segmentor = both;
  for (const auto& [name, tensor] : files.tensors("orig_dinov2_vits14")) segmentor["backbone." + name] = tensor;
  const zoo::Weights inside = zoo::open_weights(files.write(segmentor));
  CHECK(inside.model.layout->name == "dinov2_orig");
  check_all_names_bind(inside);
}

TEST_CASE("one layout becomes another of its family") {
  const Files files;
  for (const auto& [from, to] : std::initializer_list<std::pair<const char*, const char*>>{
           {"hf_dinov2-base", "orig_dinov2_vitb14"},
           {"orig_dinov2_vitb14_reg4", "hf_dinov2-with-registers-base"},
           {"openai_clip_ViT-B-16", "hf_clip-vit-base-patch16"},
           {"hf_sam-vit-base", "orig_sam_vit_b"},
           {"hf_vit-mae-base", "orig_mae_pretrain_vit_base"},
           {"timm_eva02_base_patch14_224.mim", "orig_eva02_B_pt_p14"}}) {
    INFO(from);
    const zoo::Weights weights = zoo::open_weights(files.write(files.tensors(from)));
    const Manifest& wanted = test::manifest_named(files.all(), to);
    std::string name = wanted.layout.substr(0, wanted.layout.find("_reg"));
    const zoo::Layout& target = zoo::layout_named(name);
    Tensors expected = wanted.tensors;
    std::erase_if(expected, [&](const auto& t) { return target.ignores(t.first); });
    const auto items = zoo::as_layout(weights, target, DType::bf16);
    CHECK(items.size() == expected.size());
    for (const TensorToWrite& t : items) {
      REQUIRE_MESSAGE(expected.contains(t.name), t.name);
      CHECK_MESSAGE(t.shape == Shape(std::span<const std::int64_t>(expected.at(t.name).shape)), t.name);
      CHECK(t.dtype == DType::bf16);
    }
    CHECK_THROWS_AS(zoo::as_layout(weights, zoo::layout_named("vit_augreg"), DType::f32), std::runtime_error);
  }
  CHECK_THROWS_AS(zoo::layout_named("dinov2"), std::runtime_error);
}

TEST_CASE("the compact manifests are those of the golden folder") {
  const char* folder = std::getenv("REIN_GOLDEN_DIR");
  if (folder == nullptr || *folder == '\0') {
    MESSAGE("SKIPPED: REIN_GOLDEN_DIR is not set");
    return;
  }
  for (const Manifest& m : test::read_manifests()) {
    INFO(m.name);
    const auto path = std::filesystem::path(folder) / "manifests" / ("vfm_" + m.name + ".json");
    const auto json = train::GoldenConfig::parse(test::contents_of(path), m.name);
    CHECK(json.keys().size() == m.tensors.size() + 1);
    for (const auto& [name, tensor] : m.tensors) {
      CHECK(json.object(name).integers("shape") == tensor.shape);
      CHECK(json.object(name).text("dtype") == tensor.dtype);
    }
  }
}
