// Which tensors an exported model has, from the declared modules alone. Internal to train/export.
#pragma once

#include <string>
#include <vector>

#include "models/segmentor.h"
#include "models/zoo/layout.h"
#include "tensor/io/weight_write.h"

namespace rein::train {

inline constexpr const char* exported_format = "rein-model-1";
inline constexpr const char* format_key = "rein.format";
inline constexpr const char* config_key = "rein.config";
inline constexpr const char* info_key = "rein.info";
inline constexpr const char* vit_prefix = "vit.";

// A parameter of the ViT, by its path in the segmentor: one that the layout has a name for. An adapter may add its own
// inside the backbone.
bool is_vit_param(const models::zoo::Layout& layout, const std::string& path);

// Names, dtypes and shapes as in the file; of an unbound model f32. Each is read from the model when its turn comes, so
// `model` must outlive the list. std::runtime_error when the layout has no name for part of the ViT.
std::vector<TensorToWrite> exported_tensors(models::Segmentor& model, const models::zoo::Layout& layout);

}  // namespace rein::train
