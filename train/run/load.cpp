#include "train/run/load.h"

#include <cstdlib>

#include "models/merge.h"
#include "tensor/error.h"
#include "tensor/io/sha256.h"
#include "train/error.h"
#include "train/export/export.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;

fs::path find_backbone(const CheckpointInfo& info, const std::string& recorded, const fs::path& given,
                       fs::path weights) {
  if (!given.empty()) return given;
  if (const char* folder = std::getenv("REIN_WEIGHTS_DIR"); weights.empty() && folder != nullptr) weights = folder;
  if (!weights.empty() && fs::exists(weights / info.backbone_file)) return weights / info.backbone_file;
  if (fs::exists(recorded)) return recorded;
  throw HintedError("[checkpoint] the backbone file " + info.backbone_file + " is not at " + recorded,
                    "say where it is: --backbone FILE, or --weights-root FOLDER");
}

// RUN of RUN/checkpoints/step-N, also through RUN/best.
fs::path run_of(const fs::path& checkpoint) {
  std::error_code error;
  const fs::path whole = fs::canonical(checkpoint, error);
  return error ? fs::path() : whole.parent_path().parent_path();
}

void merge(LoadedModel& loaded) {
  std::unique_ptr<models::Segmentor> plain = models::merged(*loaded.built.model);
  if (!plain) return;
  loaded.built.model = std::move(plain);
  loaded.built.description += "; " + loaded.config.model.method + " merged into the weights";
  loaded.config.model.method = "freeze";  // info.method still says how it was trained
}

}  // namespace

fs::path find_checkpoint(const fs::path& path) {
  if (fs::exists(path / "checkpoint.json") || !fs::is_directory(path / "checkpoints")) return path;
  if (fs::exists(path / "best" / "checkpoint.json")) return path / "best";
  fs::path newest;
  for (const auto& entry : fs::directory_iterator(path / "checkpoints")) {
    const std::string name = entry.path().filename().string();
    // Steps are padded with zeros to six digits; longer ones are later.
    const auto later = [&](const std::string& a, const std::string& b) {
      return a.size() != b.size() ? a.size() > b.size() : a > b;
    };
    if (name.starts_with("step-") && (newest.empty() || later(name, newest.filename().string()))) newest = entry.path();
  }
  if (newest.empty()) fail_runtime("checkpoint", path.string(), " has no checkpoint yet");
  return newest;
}

void set_precision(Config& config, const std::string& precision) {
  require(precision == "f32" || !models::method_named(config.model.method).trains_backbone, "precision",
          "bf16 rounds frozen weights, and this checkpoint has a trained backbone");
  config.model.precision = precision;
}

LoadedModel load_trained(const fs::path& path, const fs::path& backbone, const fs::path& weights,
                         const std::string& precision, Form form) {
  if (fs::is_regular_file(path)) {
    require(backbone.empty(), "export", path.string(), " holds its own backbone: it takes no other");
    return open_exported(path, precision);
  }
  const fs::path folder = find_checkpoint(path);
  LoadedModel loaded;
  loaded.info = read_checkpoint(folder);
  loaded.config = read_checkpoint_config(folder);
  loaded.config.model.backbone = find_backbone(loaded.info, loaded.config.model.backbone, backbone, weights).string();
  if (!precision.empty()) set_precision(loaded.config, precision);
  check_backbone(loaded.info, loaded.config.model.backbone, sha256_of_file(loaded.config.model.backbone));
  // In f32 until all is in place: what is merged is rounded once, afterwards.
  Config exact = loaded.config;
  exact.model.precision = "f32";
  loaded.built = build_model(exact, loaded.info.classes.count(), run_of(folder));
  loaded.built.norm = loaded.info.norm;
  load_model(folder, *loaded.built.model);
  if (form == Form::merged) merge(loaded);
  finish_precision(loaded.built, loaded.config.model.precision);
  return loaded;
}

}  // namespace rein::train
