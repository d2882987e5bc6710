#include "train/export/export.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "models/zoo/export.h"
#include "models/zoo/file_source.h"
#include "nn/bind.h"
#include "tensor/error.h"
#include "train/error.h"
#include "train/export/exported_tensors.h"
#include "train/run/checkpoint_json.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;
namespace zoo = models::zoo;

// The configuration of a model whose backbone is the file itself.
Config without_backbone_file(const LoadedModel& loaded) {
  Config config = loaded.config;
  config.model.backbone = loaded.info.backbone_file;
  config.model.weights = "file";
  config.model.layout = loaded.built.layout;
  return config;
}

using Metadata = std::map<std::string, std::string>;

Metadata checked_metadata(const WeightFile& file) {
  const std::string name = file.path().string();
  Metadata metadata = file.metadata();
  if (!metadata.contains(format_key))
    throw HintedError("[export] " + name + " is not an exported model",
                      "name a run, a checkpoint, or a file that rein export wrote");
  if (metadata[format_key] != exported_format)
    fail_runtime("export", name, " has format \"", metadata[format_key], "\", this program reads \"", exported_format,
                 "\"");
  for (const char* key : {zoo::layout_key, config_key, info_key})
    if (!metadata.contains(key)) fail_runtime("export", name, " lacks \"", key, "\" in its metadata");
  return metadata;
}

// Names, dtypes and shapes against what the modules declare; one text with all that differs.
void check_tensors(const WeightFile& file, const std::vector<TensorToWrite>& declared, bool bf16) {
  nn::BindReport report;
  std::map<std::string, const TensorToWrite*> wanted;
  for (const TensorToWrite& t : declared) wanted[t.name] = &t;
  for (const std::string& name : file.names()) {
    if (!wanted.contains(name)) {
      report.unexpected.push_back(name);
      continue;
    }
    const WeightFile::Entry entry = file.entry(name);
    const bool vit = name.starts_with(vit_prefix);
    if (!entry.problem.empty() || (entry.dtype != DType::f32 && !(bf16 && vit && entry.dtype == DType::bf16)))
      report.misshapen.push_back(
          concat_text(name, ": must be F32", bf16 && vit ? " or BF16" : "", ", got ", entry.file_dtype));
    else if (entry.shape != wanted.at(name)->shape)
      report.misshapen.push_back(
          concat_text(name, ": must have shape ", wanted.at(name)->shape, ", got ", entry.shape));
  }
  for (const TensorToWrite& t : declared)
    if (!file.has(t.name)) report.missing.push_back(t.name);
  if (!report.ok())
    fail_runtime("export", file.path().string(), " does not fit the model it describes:\n", report.text());
}

// The ViT of the file, recognised by the layout that the file names, with the grid of the configuration.
BackboneFile backbone_of(const std::shared_ptr<const zoo::FileSource>& file, const Config& config,
                         const std::string& layout) {
  zoo::Weights vit = zoo::open_weights(std::make_shared<zoo::PrefixSource>(file, vit_prefix),
                                       {.family = "", .heads = config.model.heads, .layout = layout});
  const models::VitOptions& o = vit.model.options;
  const std::int64_t patch = config.model.patch, grid = config.model.image_size / o.patch;
  if ((patch != 0 && patch != o.patch) || (o.position_table && o.grid_height != grid))
    fail_runtime("export", file->describe(), " has patch ", o.patch, " and a grid of ", o.grid_height,
                 ", its configuration says patch ", patch, " and images of ", config.model.image_size);
  return fitted(std::move(vit), config);
}

}  // namespace

Exported export_model(const LoadedModel& loaded, const fs::path& out, bool replace) {
  std::error_code error;
  if (!replace && fs::exists(out, error))
    throw HintedError("[export] " + out.string() + " exists already", "name another file, or say --replace");
  const Config config = without_backbone_file(loaded);
  const std::vector<TensorToWrite> tensors =
      exported_tensors(*loaded.built.model, zoo::layout_named(config.model.layout));
  write_safetensors_streamed(out, tensors,
                             {{format_key, exported_format},
                              {zoo::layout_key, config.model.layout},
                              {config_key, config_text(config)},
                              {info_key, info_to_json(loaded.info, {})}});
  return {tensors.size(), fs::file_size(out)};
}

LoadedModel open_exported(const fs::path& path, const std::string& precision) {
  const auto file = std::make_shared<zoo::FileSource>(path);
  const std::string name = path.string();
  Metadata metadata = checked_metadata(file->file());
  LoadedModel loaded;
  loaded.config = parse_config(metadata[config_key], name + " (" + config_key + ")");
  loaded.info = info_from_text(metadata[info_key], name + " (" + info_key + ")");
  ModelConfig& m = loaded.config.model;
  const bool was_bf16 = m.precision == "bf16";
  if (was_bf16 && precision == "f32")
    throw HintedError("[precision] the backbone in " + name + " was rounded to bf16",
                      "leave --precision out, or export the run again with --precision f32");
  if (!precision.empty()) set_precision(loaded.config, precision);
  m.backbone = name;
  const auto [weights, description] = backbone_of(file, loaded.config, metadata[zoo::layout_key]);
  const zoo::Layout& layout = *weights.model.layout;
  BuiltModel& built = loaded.built;
  built.model = std::make_unique<models::Segmentor>(
      segmentor_options(loaded.config, weights.model.options, loaded.info.classes.count()));
  check_tensors(file->file(), exported_tensors(*built.model, layout), was_bf16);
  const auto fit = [&](const nn::BindReport& report) {
    if (!report.ok()) fail_runtime("export", name, " does not fit the model it describes:\n", report.text());
  };
  const auto any = [](const std::string&) { return true; };
  fit(nn::bind(
      built.model->backbone().vit(), *weights.source, DType::f32,
      [&](const std::string& own) { return is_vit_param(layout, "backbone." + own); }, any));
  fit(nn::bind(
      *built.model, *file, DType::f32, [&](const std::string& own) { return !is_vit_param(layout, own); }, any));
  built.norm = loaded.info.norm;
  built.family = std::string(layout.family);
  built.layout = std::string(layout.name);
  built.backbone_sha256 = loaded.info.backbone_sha256;
  built.description = description;
  finish_precision(built, m.precision);
  return loaded;
}

}  // namespace rein::train
