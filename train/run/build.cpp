#include "train/run/build.h"

#include "nn/bind.h"
#include "tensor/error.h"
#include "tensor/io/sha256.h"
#include "train/run/adapter_constants.h"

namespace rein::train {
namespace {

namespace zoo = models::zoo;

std::vector<int> out_indices(const ModelConfig& config, const models::VitOptions& vit) {
  std::vector<int> out(config.out_indices.begin(), config.out_indices.end());
  // The official choice, not the quarters; SAM is tapped after its global blocks, which are the quarters.
  if (out.empty() && vit.depth == 24 && !vit.windows) out = {7, 11, 15, 23};
  for (const int index : out)
    require(index < vit.depth, "config", "model.out_indices has ", index, ", but the backbone has ", vit.depth,
            " blocks");
  return out;
}

data::Normalisation normalisation(const ModelConfig& config, const zoo::Recognised& file) {
  data::Normalisation norm;
  for (std::size_t i = 0; i < 3; ++i) {
    norm.mean[i] = static_cast<float>(config.mean.empty() ? 255 * file.mean[i] : config.mean[i]);
    norm.std[i] = static_cast<float>(config.std.empty() ? 255 * file.std[i] : config.std[i]);
  }
  return norm;
}

}  // namespace

models::SegmentorOptions segmentor_options(const Config& config, const models::VitOptions& vit, int classes) {
  models::SegmentorOptions options;
  options.vit = vit;
  options.out_indices = out_indices(config.model, vit);
  const models::MethodEntry& method = models::method_entry(config.model.method);
  options.method = method.make(config.methods.at(method.name));
  options.recompute = config.train.recompute;
  options.head_kind = models::head_kind_of(config.model.head);
  options.mask2former.classes = classes;
  options.head.fpn_channels = config.model.fpn_channels;
  options.head.head_channels = config.model.head_channels;
  options.head.head_groups = config.model.groups;
  options.head.classes = classes;
  options.head.dropout = config.model.dropout;
  return options;
}

BackboneFile open_backbone(const Config& config) {
  const ModelConfig& m = config.model;
  return fitted(
      zoo::open_weights(std::filesystem::path(m.backbone), {.family = m.family, .heads = m.heads, .layout = m.layout}),
      config);
}

BackboneFile fitted(zoo::Weights weights, const Config& config) {
  const ModelConfig& m = config.model;
  const std::int64_t patch = m.patch == 0 ? weights.model.options.patch : m.patch;
  require(m.image_size % patch == 0, "config", "model.image_size must be a multiple of the patch side ", patch,
          ", got ", m.image_size);
  require(config.data.crop % patch == 0, "config", "data.crop must be a multiple of the patch side ", patch, ", got ",
          config.data.crop);
  require(config.data.crop >= 2 * patch, "config", "data.crop must be at least two patches of ", patch, " pixels, got ",
          config.data.crop);
  std::string description = weights.model.text();
  const std::int64_t grid = m.image_size / patch;
  const models::VitOptions& native = weights.model.options;
  const bool resized = grid != native.grid_height || grid != native.grid_width;
  if (patch != native.patch) description += concat_text("; patch ", native.patch, " -> ", patch);
  if (resized && native.position_table)  // rotary positions alone are computed for any grid
    description += concat_text("; grid ", native.grid_height, "x", native.grid_width, " -> ", grid, "x", grid);
  if (patch != native.patch || resized) weights = zoo::converted(weights, patch, grid);
  return {std::move(weights), std::move(description)};
}

BuiltModel build_model(const Config& config, int classes, const std::filesystem::path& run) {
  const ModelConfig& m = config.model;
  const auto [weights, description] = open_backbone(config);
  BuiltModel built;
  built.description = description;
  built.family = std::string(weights.model.layout->family);
  built.layout = std::string(weights.model.layout->name);
  built.norm = normalisation(m, weights.model);
  built.backbone_sha256 = sha256_of_file(m.backbone);
  models::VitOptions vit = weights.model.options;
  const bool random = m.weights == "random";
  if (random) {
    built.description += "; random weights";
    vit.layer_scale_init = 1;  // with the usual 1e-5, random blocks would do next to nothing
  }
  built.model = std::make_unique<models::Segmentor>(segmentor_options(config, vit, classes));
  models::Backbone& backbone = built.model->backbone();
  if (!random) zoo::bind_weights(backbone.vit(), weights, DType::f32);
  nn::initialise(*built.model, RandomKey(static_cast<std::uint64_t>(config.train.seed)).child("init"), DType::f32);
  built.constants_key = constants_key(config, built.backbone_sha256);
  start_adapter(backbone, built.constants_key, run);
  finish_precision(built, m.precision);
  return built;
}

void finish_precision(BuiltModel& built, const std::string& precision) {
  if (precision != "bf16") return;
  built.model->use_bf16();
  built.description += "; mixed precision (bf16)";
}

data::TrainTransforms train_transforms(const Config& config, const data::Normalisation& norm) {
  data::TrainTransforms t;
  const int crop = static_cast<int>(config.data.crop);
  t.crop = {crop, crop};
  for (const std::int64_t edge : config.data.short_edges) t.short_edges.push_back(static_cast<int>(edge));
  t.max_long_edge = static_cast<int>(config.data.max_long_edge);
  t.cat_max_ratio = config.data.cat_max_ratio;
  t.flip_probability = config.data.flip;
  t.photometric = config.data.photometric;
  t.norm = norm;
  return t;
}

std::string adapter_prefix(const models::Segmentor& model) {
  const models::Adapter* adapter = model.backbone().adapter();
  return adapter == nullptr ? "" : adapter->path() + ".";
}

TrainedCounts trained_counts(models::Segmentor& model) {
  TrainedCounts counts;
  const std::string adapter = adapter_prefix(model);
  model.visit([&](const std::string& path, nn::Param& p) {
    if (p.frozen) return;
    counts.all += p.shape.count();
    if (!adapter.empty() && path.starts_with(adapter))
      counts.adapter += p.shape.count();
    else if (path.starts_with("backbone."))
      counts.vit += p.shape.count();
  });
  return counts;
}

}  // namespace rein::train
