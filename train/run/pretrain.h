// Pretraining a ViT without labels: the loop (run_loop.h) over masked autoencoding
// (models/pretraining/masked_autoencoder.h) of the photos of a data set. The file it leaves is the same, byte for byte,
// whether the run was killed and resumed or not, and whatever the number of threads.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "train/run/run_loop.h"

namespace rein::train {

struct PretrainResult {
  std::int64_t steps = 0;
  std::optional<double> last_loss;  // nothing when the run was finished already
  std::filesystem::path file;       // folder / "backbone.safetensors"
  std::string sha256;
  std::int64_t bytes = 0;
};

// The configuration is of Purpose::pretrain. Fills a run folder (train/run/run_folder.h), and writes the ViT without
// the decoder as bf16 under DINOv2's names (Hugging Face): every command that takes a backbone takes it. Errors as
// train().
PretrainResult pretrain(const RunOptions& options, Observer& observer);

}  // namespace rein::train
