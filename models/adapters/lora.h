// LoRA (Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022), as peft computes it without
// dropout: y = W x + b + (alpha / r) B (A x), A (r, in) uniform in +-1/sqrt(in) and B (out, r) zero at the start.
// With G = dL/dy and s = alpha / r:  dL/dB = s G^T (A x)^T,  dL/dA = s (B^T G) x^T,  dL/dx += s A^T B^T G.
// A packed qkv has one pair for all its rows, or one each for q, k and v where the published code keeps them apart.
#pragma once

#include "models/adapters/low_rank.h"
#include "models/adapters/method.h"

namespace rein::models {

struct LoraOptions {
  std::int64_t rank = 8;
  double alpha = 8;
  // Names of tuned_matrices; "auto": qkv as the model's published code has it, packed, or q, k, v apart in EVA-02 base
  // and large. In the paper's table these have 786,432 (DINOv2-L) and 1,179,648 (EVA02-L) parameters.
  std::string targets = "auto";
  std::int64_t first_block = 0;
};

// Names: blocks.N.attn.qkv.lora_A.weight, .lora_B.weight: peft's without "base_model.model.".
class Lora final : public LowRankAdapter {
 public:
  // Throws std::invalid_argument for a rank below 1, an alpha that is not above 0, and unknown targets.
  Lora(const VitOptions& vit, const LoraOptions& options);
  std::string tree_name() const override { return "lora"; }
};

Method lora_method(const LoraOptions& options);
MethodEntry lora_entry();

}  // namespace rein::models
