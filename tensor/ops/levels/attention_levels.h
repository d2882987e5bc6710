// Attention forward in five levels, each faster than the one before for one reason (README.md beside this file). The
// last two are the production kernels behind tensor/ops/attention/attention.h. `rein bench op --levels --device cuda`
// times them. All compute softmax(q k^T / sqrt(64)) v per head; sums, statistics and exponentials in f32.
#pragma once

#include <span>

#include "tensor/tensor.h"

namespace rein::ops {

struct AttentionLevel {
  const char* name;
  const char* lesson;  // what is new, in half a line
  DType operands;      // of q, k, v and out
  double tolerance;    // largest error relative to the largest output, for values of order one
};

inline constexpr std::int64_t attention_level_width = 64;  // of a head, as in all plain ViTs

std::span<const AttentionLevel> attention_levels();

// q, k, v: (heads, length, 64) on a CUDA device, in the level's dtype, length at least 1 -> out, likewise. `level`
// counts from 0. Throws std::invalid_argument on what does not fit.
Tensor attention_level(std::size_t level, const Tensor& q, const Tensor& k, const Tensor& v);

}  // namespace rein::ops
