// A trained model from its checkpoint, ready to predict.
#pragma once

#include <filesystem>
#include <memory>

#include "train/run/build.h"
#include "train/run/checkpoint.h"

namespace rein::train {

struct LoadedModel {
  Config config;  // as trained, with the backbone that was found
  CheckpointInfo info;
  BuiltModel built;
};

// The checkpoint's folder: `path` itself, or of a run folder its `best` checkpoint, else the newest.
std::filesystem::path find_checkpoint(const std::filesystem::path& path);

// `path` as in find_checkpoint, or a file that rein export wrote (train/export), which needs no backbone: naming one is
// an error. `backbone`: the backbone file;
// empty: the recorded path, else a file of that name below `weights` or REIN_WEIGHTS_DIR. Refuses a backbone file with
// another SHA-256. `precision`: instead of the run's, model.precision; empty: the run's. `form`: merged, where the
// method can be (LoRA, SoMA), puts the adapter into the backbone's weights: the model then is one of method freeze that
// gives the same to rounding, faster.
enum class Form { trained, merged };
LoadedModel load_trained(const std::filesystem::path& path, const std::filesystem::path& backbone,
                         const std::filesystem::path& weights, const std::string& precision = "",
                         Form form = Form::trained);

// model.precision instead of the run's; std::invalid_argument where the method trains what bf16 would round.
void set_precision(Config& config, const std::string& precision);

}  // namespace rein::train
