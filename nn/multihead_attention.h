// Attention between two sets of tokens, with PyTorch's packed parameters.
#pragma once

#include "nn/linear.h"

namespace rein::nn {

// Equal PyTorch module: torch.nn.MultiheadAttention(dim, heads, batch_first=True) without dropout. Names in_proj_weight
// (3 dim, dim) and in_proj_bias (3 dim), rows [query; key; value], and out_proj.{weight,bias}. Heads are consecutive
// channel groups; logits are scaled by 1 / sqrt(dim / heads).
// Start: the official Mask2Former's, Xavier normal weights (in_proj_weight as one matrix), biases 0.
class MultiheadAttention final : public Module {
 public:
  MultiheadAttention(std::int64_t dim, std::int64_t heads);

  // q (N, Lq, dim), k and v (N, Lk, dim) -> (N, Lq, dim). `blocked` u8 (N, Lq, Lk), 1 = not attended to, shared by all
  // heads; null: none. A row with all keys blocked is an error of the caller: open it first.
  Variable operator()(const Variable& q, const Variable& k, const Variable& v, const Tensor& blocked = {}) const;

 private:
  std::int64_t dim_, heads_;
  Param* in_proj_weight_;
  Param* in_proj_bias_;
  Linear out_proj_;
};

}  // namespace rein::nn
