// Official Rein checkpoints into checkpoints of ours.
#include <array>
#include <filesystem>
#include <set>

#include "data/sets/description.h"
#include "models/zoo/export.h"
#include "models/zoo/file_source.h"
#include "models/zoo/report.h"
#include "nn/bind.h"
#include "tensor/cpu_features.h"
#include "tensor/error.h"
#include "train/convert/convert.h"
#include "train/convert/import_parts.h"
#include "train/error.h"
#include "train/run/build.h"
#include "train/run/checkpoint.h"
#include "train/version.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;
namespace zoo = models::zoo;

constexpr const char* adapter = "backbone.reins.";

// What images were normalised with: what the file says (our own exports do), else the configuration, else ImageNet's
// mean and standard deviation, with which the official code feeds every backbone.
void set_normalisation(ModelConfig& model, const WeightFile& file) {
  const auto set = [&](std::vector<double>& values, const std::string& name, const std::array<double, 3>& official) {
    if (file.has(name) && file.entry(name).problem.empty() && file.entry(name).shape.count() == 3)
      values = file.tensor(name).to_doubles();
    else if (values.empty())
      for (const double v : official) values.push_back(255 * v);
  };
  set(model.mean, "data_preprocessor.mean", zoo::imagenet_mean);
  set(model.std, "data_preprocessor.std", zoo::imagenet_std);
}

// The model's parameter names over the file's: the adapter and the head are named alike; the blocks of a fully trained
// backbone go through its family's table.
class OfficialSource final : public nn::TensorSource {
 public:
  OfficialSource(std::shared_ptr<const nn::TensorSource> file, bool with_backbone, const zoo::Hints& backbone)
      : file_(std::move(file)) {
    if (with_backbone) weights_ = zoo::open_weights(file_, backbone);
    for (const std::string& name : file_->names()) {
      const bool buffer = name.starts_with("data_preprocessor.");
      if (!buffer && (!name.starts_with("backbone.") || name.starts_with(adapter))) names_.insert(name);
    }
    if (weights_)
      for (const std::string& name : weights_->source->names()) names_.insert("backbone." + name);
  }
  std::vector<std::string> names() const override { return {names_.begin(), names_.end()}; }
  bool has(const std::string& name) const override { return names_.contains(name); }
  Shape shape(const std::string& name) const override {
    return inside(name) ? weights_->source->shape(name.substr(9)) : file_->shape(name);
  }
  Tensor read(const std::string& name, DType dtype) const override {
    return inside(name) ? weights_->source->read(name.substr(9), dtype) : file_->read(name, dtype);
  }
  std::string describe() const override { return file_->describe(); }

 private:
  bool inside(const std::string& name) const {
    return weights_ && name.starts_with("backbone.") && !name.starts_with(adapter);
  }
  std::shared_ptr<const nn::TensorSource> file_;
  std::optional<zoo::Weights> weights_;
  std::set<std::string> names_;
};

void bind_official(models::Segmentor& model, const nn::TensorSource& source, const Config& config) {
  std::set<std::string> trained;
  model.visit([&](const std::string& name, nn::Param& p) {
    if (!p.frozen) trained.insert(name);
  });
  const nn::BindReport report = nn::bind(
      model, source, DType::f32, [&](const std::string& name) { return trained.contains(name); },
      [&](const std::string& name) {  // official files may hold a query link that is not used
        return !config.methods.at("rein").flag("link_queries") &&
               (name.starts_with("backbone.reins.transform") || name.starts_with("backbone.reins.merge"));
      });
  if (report.ok()) return;
  throw HintedError(
      concat_text("[convert] ", source.describe(), " does not fit the model of the configuration (",
                  config.model.method, ", ", config.model.head, ", ", config.model.backbone, "):\n", report.text()),
      "the configuration must describe the model that was trained: backbone size, method, head, "
      "model.rein.* and the classes of its data set");
}

}  // namespace

Config resolved_config(const fs::path& file, const Roots& roots) {
  Config config = read_config(file);
  const fs::path folder = fs::absolute(file).parent_path();
  const auto absolute = [](const fs::path& below, const std::string& path) {
    return fs::absolute(below / path).lexically_normal().string();
  };
  const auto folder_or = [](const fs::path& given, const char* variable) -> fs::path {
    const char* value = std::getenv(variable);
    return !given.empty() ? given : value != nullptr ? fs::path(value) : fs::path();
  };
  const fs::path data = folder_or(roots.data, "REIN_DATA_DIR"), weights = folder_or(roots.weights, "REIN_WEIGHTS_DIR");
  config.model.backbone = absolute(weights, config.model.backbone);
  if (!fs::exists(config.model.backbone))
    throw HintedError("[config] model.backbone: there is no " + config.model.backbone,
                      "say where the backbones are: --weights-root FOLDER, or REIN_WEIGHTS_DIR");
  config.data.dataset = absolute(folder, config.data.dataset);
  config.data.root = absolute(data, config.data.root);
  for (TargetConfig& target : config.eval.targets) {
    target.dataset = absolute(folder, target.dataset);
    target.root = absolute(data, target.root);
  }
  return config;
}

CheckpointInfo info_of(const Config& config, const BuiltModel& built, const data::ClassSet& classes) {
  CheckpointInfo info;
  info.seed = config.train.seed;
  info.method = config.model.method;
  info.backbone_file = fs::path(config.model.backbone).filename().string();
  info.backbone_sha256 = built.backbone_sha256;
  info.backbone_family = built.family;
  info.classes = classes;
  info.norm = built.norm;
  info.version = version_text();
  info.isa = isa_name();
  info.kernels = forced_kernels_text();
  return info;
}

void require_new(const fs::path& folder) {
  if (fs::exists(folder))
    throw HintedError("[convert] " + folder.string() + " exists already", "name a new folder for the checkpoint");
}

void write_new_checkpoint(const fs::path& folder, const CheckpointInfo& info, const Config& config,
                          models::Segmentor& model) {
  const fs::path whole = fs::absolute(folder).lexically_normal();
  write_checkpoint(whole.filename().empty() ? whole.parent_path() : whole, info, config, model, AdamW());
}

Converted import_checkpoint(const fs::path& official, const fs::path& folder, const fs::path& config_file,
                            const Roots& roots) {
  require_new(folder);
  const auto file = std::make_shared<zoo::FileSource>(official);
  if (!is_rein_checkpoint(file->names()))
    fail_runtime("convert", official.string(),
                 " is no Rein checkpoint: it has neither backbone.reins.* nor decode_head.*");
  Config config = resolved_config(config_file, roots);
  set_normalisation(config.model, file->file());
  const data::ClassSet classes = data::read_description(config.data.dataset).classes;
  const BuiltModel built = build_model(config, classes.count());
  // Named, because training leaves no mark of MAE in the positions.
  const std::string layout = official_layout(built.family, built.model->backbone().vit().options().mlp_norm);
  const OfficialSource source(file, models::method_named(config.model.method).trains_backbone,
                              {built.family, config.model.heads, layout});
  bind_official(*built.model, source, config);
  write_new_checkpoint(folder, info_of(config, built, classes), config, *built.model);
  Converted result;
  result.from = concat_text("official Rein checkpoint, ", file->file().names().size(), " tensors");
  result.to = concat_text("checkpoint of ", built.description);
  result.tensors = source.names().size();
  return result;
}

}  // namespace rein::train
