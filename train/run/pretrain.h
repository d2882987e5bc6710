// Pretraining a ViT without labels: masked autoencoding (models/pretraining/masked_autoencoder.h) on the photos of a
// data set. Like training, step s uses batch s of the loader and the random key (seed, s): a run that was killed and
// resumed gives the same file, byte for byte, as one never killed, whatever the number of threads.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "train/config/config.h"
#include "train/run/observer.h"

namespace rein::train {

struct PretrainOptions {
  Config config;  // of Purpose::pretrain, with resolved paths
  std::filesystem::path folder;
  bool resume = false;  // go on from the newest whole checkpoint, if there is one
  Device device{};      // where the model is trained; the host waits for every step
};

struct PretrainResult {
  std::int64_t steps = 0;
  std::optional<double> last_loss;  // nothing when the run was finished already
  std::filesystem::path file;       // folder / "backbone.safetensors"
  std::string sha256;
  std::int64_t bytes = 0;
};

// Fills a run folder (train/run/run_folder.h), and writes the ViT without the decoder as bf16 under DINOv2's names
// (Hugging Face): every command that takes a backbone takes it. Errors as train().
PretrainResult pretrain(const PretrainOptions& options, Observer& observer);

}  // namespace rein::train
