// Names of a low-rank method's matrices in files of other programs: peft's LoRA adapters.
#pragma once

#include <map>
#include <string>

#include "models/adapters/low_rank.h"
#include "models/zoo/layout.h"

namespace rein::models::zoo {

// peft writes it before the model's own names.
inline constexpr const char* peft_prefix = "base_model.model.";

// What the layer of this matrix is called in a layout, without ".weight": "encoder.layer.3.attention.attention.query".
// Empty when the layout holds it in other pieces: a packed qkv where it has q, k and v apart, or the reverse.
std::string layer_name(const Layout& layout, const TunedMatrix& matrix);

// For every parameter of `adapter` (a Lora): its name there, without the prefix: LAYER.lora_A.weight. Throws
// std::runtime_error that names the first layer which the layout holds in other pieces.
std::map<std::string, std::string> peft_names(const Layout& layout, const LowRankAdapter& adapter);

}  // namespace rein::models::zoo
