// Weight files and checkpoints from one form to another. Every output appears whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/zoo/zoo.h"
#include "tensor/dtype.h"
#include "tensor/io/weight_write.h"
#include "train/config/config.h"

namespace rein::train {

struct Conversion {
  std::string layout;           // empty: the file's own names, or with a resize the file's own layout
  std::int64_t patch = 0;       // 0: the file's
  std::int64_t image_size = 0;  // the position grid becomes image_size / patch; 0: the file's grid
  std::optional<DType> dtype;   // of floating tensors; empty: the file's, f32 where tensors are computed
  models::zoo::Hints hints;
};

struct Converted {
  std::string from, to;  // for people: what was read, what was written
  std::size_t tensors = 0;
  std::vector<std::string> left_out;  // names without effect on features, or of a dtype that no file of ours can hold
};

// A weight file to a weight file; by the ending of `out` .safetensors, .pth or .pt. Without layout, patch and size it
// keeps every name and recognises nothing. std::runtime_error for what does not fit, std::invalid_argument for options.
Converted convert_weights(const std::filesystem::path& in, const std::filesystem::path& out,
                          const Conversion& conversion);

// What was trained in a checkpoint of ours as the official Rein keeps it: adapter and head under their names, in a .pth
// under "state_dict".
Converted export_checkpoint(const std::filesystem::path& folder, const std::filesystem::path& out,
                            std::optional<DType> dtype);

// An official checkpoint (adapter and head, or the whole segmentor) as a checkpoint folder of ours for `rein eval` and
// `rein predict`. `config`: the configuration that describes the model (method, head, Rein's sizes, backbone, classes
// by its data set). The report of what does not fit is one std::runtime_error.
Converted import_checkpoint(const std::filesystem::path& official, const std::filesystem::path& folder,
                            const std::filesystem::path& config, const Roots& roots);

// A backbone's own file, with LoRA or SoMA in its weights (or fully trained), from a run or checkpoint. Names: the
// layout's of the backbone it was trained on, or conversion.layout. HintedError for methods that cannot be merged.
Converted export_merged(const std::filesystem::path& checkpoint, const std::filesystem::path& out,
                        const Conversion& conversion, const std::filesystem::path& backbone,
                        const std::filesystem::path& weights);

// The LoRA of a checkpoint as peft keeps it (adapter_model.safetensors), with an adapter_config.json beside it. The
// layout must have the tuned layers as they were trained: packed, or q, k and v apart.
Converted export_peft(const std::filesystem::path& checkpoint, const std::filesystem::path& out,
                      const Conversion& conversion, const std::filesystem::path& backbone,
                      const std::filesystem::path& weights);
bool is_peft_adapter(const std::vector<std::string>& names);
// A peft adapter as a checkpoint folder of the model that `config` describes; the head is at its start.
Converted import_peft(const std::filesystem::path& file, const std::filesystem::path& folder,
                      const std::filesystem::path& config, const Roots& roots);

// Writes by the ending of `out`; std::invalid_argument for an ending of no format of ours.
void write_converted(const std::filesystem::path& out, const std::vector<TensorToWrite>& tensors,
                     const std::map<std::string, std::string>& metadata, const std::string& under = "");

// The layout whose names the official Rein's checkpoints give a fully trained backbone of a family; empty: not known.
std::string official_layout(const std::string& family, bool mlp_norm);

// Names of a file are those of an adapter or head in the official checkpoint.
bool is_rein_checkpoint(const std::vector<std::string>& names);

}  // namespace rein::train
