#include "train/convert/convert.h"

#include <algorithm>
#include <utility>

#include "models/adapters/method.h"
#include "models/zoo/export.h"
#include "tensor/error.h"
#include "tensor/io/weight_file.h"
#include "tensor/io/weight_write.h"
#include "train/error.h"
#include "train/run/checkpoint.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;
namespace zoo = models::zoo;

enum class Format { safetensors, pth };

Format format_of(const fs::path& out) {
  const std::string ending = out.extension().string();
  if (ending == ".safetensors") return Format::safetensors;
  if (ending == ".pth" || ending == ".pt") return Format::pth;
  fail("convert", "the output must end in .safetensors, .pth or .pt, got ", out.string());
}

// Every tensor under its own name.
Converted copy_file(const fs::path& in, const fs::path& out, std::optional<DType> dtype) {
  const auto file = open_weight_file(in);
  Converted result;
  std::vector<TensorToWrite> items;
  for (const std::string& name : file->names()) {
    const WeightFile::Entry entry = file->entry(name);
    if (!entry.problem.empty()) {
      result.left_out.push_back(name);
      continue;
    }
    const DType to = dtype && is_floating(entry.dtype) ? *dtype : entry.dtype;
    items.push_back({name, to, entry.shape, [=] { return zoo::narrowed(file->tensor(name), to, name); }});
  }
  if (items.empty()) fail_runtime("convert", in.string(), ": holds no tensor that can be written");
  // Texts beside the tensors stay; "format" says who may read them.
  std::map<std::string, std::string> metadata = file->metadata();
  metadata.emplace("format", "pt");
  write_converted(out, items, metadata, "");
  result.tensors = items.size();
  result.from = concat_text(file->format(), ", ", file->names().size(), " tensors");
  result.to = "the same names";
  return result;
}

}  // namespace

void write_converted(const fs::path& out, const std::vector<TensorToWrite>& tensors,
                     const std::map<std::string, std::string>& metadata, const std::string& under) {
  if (format_of(out) == Format::pth)
    write_pth(out, tensors, under);
  else
    write_safetensors_streamed(out, tensors, metadata);
}

Converted convert_weights(const fs::path& in, const fs::path& out, const Conversion& c) {
  format_of(out);  // refused before anything is read
  if (c.layout.empty() && c.patch == 0 && c.image_size == 0) return copy_file(in, out, c.dtype);
  zoo::Weights weights = zoo::open_weights(in, c.hints);
  const models::VitOptions native = weights.model.options;
  const zoo::Layout& target = c.layout.empty() ? *weights.model.layout : zoo::layout_named(c.layout);
  Converted result;
  result.from = weights.model.text();
  const std::int64_t patch = c.patch > 0 ? c.patch : native.patch;
  require(c.image_size % patch == 0, "convert", "--image-size must be a multiple of the patch side ", patch, ", got ",
          c.image_size);
  const std::int64_t grid = c.image_size > 0 ? c.image_size / patch : native.grid_height;
  if (patch != native.patch || grid != native.grid_height) weights = zoo::converted(weights, patch, grid);
  const std::vector<TensorToWrite> items = zoo::as_layout(weights, target, c.dtype.value_or(DType::f32));
  write_converted(out, items, {{"format", "pt"}, {zoo::layout_key, std::string(target.name)}}, "");
  for (const std::string& name : zoo::FileSource(in).names())
    if (weights.model.layout->ignores(name)) result.left_out.push_back(name);
  result.tensors = items.size();
  weights.model.layout = &target;
  result.to = weights.model.text();
  return result;
}

namespace {

// A fully trained backbone under the names of the official code's files; empty when nothing of it was trained.
std::vector<TensorToWrite> trained_backbone(const std::shared_ptr<zoo::FileSource>& file, const std::string& family,
                                            DType dtype) {
  const auto inside = std::make_shared<zoo::PrefixSource>(file, "backbone.");
  if (inside->names().empty()) return {};
  const std::string layout = official_layout(family, inside->has("blocks.0.mlp.norm.weight"));
  if (layout.empty())
    throw HintedError("[convert] a fully trained " + family + " backbone has no known official names",
                      "checkpoints of rein and freeze, which train adapter and head only, can be converted");
  zoo::Weights weights;
  weights.model.layout = &zoo::layout_named(layout);
  weights.source = inside;
  std::vector<TensorToWrite> items = zoo::as_layout(weights, *weights.model.layout, dtype);
  for (TensorToWrite& item : items) item.name = "backbone." + item.name;
  return items;
}

}  // namespace

Converted export_checkpoint(const fs::path& folder, const fs::path& out, std::optional<DType> dtype) {
  format_of(out);
  const CheckpointInfo info = read_checkpoint(folder);
  const auto file = std::make_shared<zoo::FileSource>(folder / "model.safetensors");
  std::vector<TensorToWrite> items = trained_backbone(file, info.backbone_family, dtype.value_or(DType::f32));
  for (const std::string& name : file->names()) {
    if (name.starts_with("backbone.") && !models::is_adapter_name(std::string_view(name).substr(9))) continue;
    const DType to = dtype.value_or(file->file().entry(name).dtype);
    items.push_back({name, to, file->shape(name), [=] { return zoo::narrowed(file->file().tensor(name), to, name); }});
  }
  // Not in official files, which all have ImageNet's; there as buffers of these names and this shape.
  for (const auto& [name, values] : {std::pair("mean", info.norm.mean), std::pair("std", info.norm.std)})
    items.push_back(TensorToWrite::of(concat_text("data_preprocessor.", name),
                                      Tensor::from(std::vector<float>(values.begin(), values.end()), Shape{3, 1, 1})));
  write_converted(out, items, {{"format", "pt"}}, "state_dict");
  return {concat_text("checkpoint ", folder.string()), "the official names of what was trained", items.size(), {}};
}

std::string official_layout(const std::string& family, bool mlp_norm) {
  const std::map<std::string, std::string> official = {{"dinov2", "dinov2_orig"},
                                                       {"mae", "mae_orig"},
                                                       {"vit_augreg", "vit_augreg"},
                                                       {"eva02", mlp_norm ? "eva02_rein" : "eva02_rein_fused"}};
  const auto layout = official.find(family);
  return layout == official.end() ? "" : layout->second;
}

bool is_rein_checkpoint(const std::vector<std::string>& names) {
  return std::ranges::any_of(names, [](const std::string& name) {
    return name.starts_with("backbone.reins.") || name.starts_with("decode_head.");
  });
}

}  // namespace rein::train
