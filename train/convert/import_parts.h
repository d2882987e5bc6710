// What the ways from other programs' files to a checkpoint folder share. Internal to train/convert.
#pragma once

#include <filesystem>

#include "train/config/config.h"
#include "train/run/build.h"
#include "train/run/checkpoint.h"

namespace rein::train {

// As resolve_paths, except that the data itself need not be there.
Config resolved_config(const std::filesystem::path& file, const Roots& roots);
// HintedError when the folder exists.
void require_new(const std::filesystem::path& folder);
CheckpointInfo info_of(const Config& config, const BuiltModel& built, const data::ClassSet& classes);
// At step 0, without the optimiser's state.
void write_new_checkpoint(const std::filesystem::path& folder, const CheckpointInfo& info, const Config& config,
                          models::Segmentor& model);

}  // namespace rein::train
