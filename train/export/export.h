// A trained model as one file: backbone, adapter, head, classes, normalisation and configuration. Whatever takes a run
// or a checkpoint for predictions takes it instead (load_trained), and needs neither the run nor the backbone's own
// file.
//
// It is a safetensors file:
//   vit.NAME       the ViT under the names of its published layout, so that it is recognised as it was from its own
//   file NAME           everything else under its official name (backbone.reins.…, neck.…, decode_head.…), as in
//   checkpoints
//   __metadata__   rein.format, rein.layout (models/zoo), rein.config (TOML), rein.info (a checkpoint's JSON)
// All is f32, but the frozen weights that mixed precision rounds are bf16 when the model is in bf16.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "train/run/load.h"

namespace rein::train {

struct Exported {
  std::size_t tensors = 0;
  std::uintmax_t bytes = 0;  // of the file
};

// Writes beside and renames: `out` holds the whole model, or what it held before. An existing file is replaced only
// when `replace` says so (HintedError else). What the model gives in its precision, the file gives, bit for bit.
Exported export_model(const LoadedModel& loaded, const std::filesystem::path& out, bool replace);

// Reads what export_model wrote. `precision`: empty: the file's; bf16 rounds an f32 file as it would the run; a bf16
// file cannot become f32. std::runtime_error for a file of another kind or version, and one list of everything missing,
// unexpected or misshapen; nothing in the file is trusted.
LoadedModel open_exported(const std::filesystem::path& file, const std::string& precision = "");

}  // namespace rein::train
