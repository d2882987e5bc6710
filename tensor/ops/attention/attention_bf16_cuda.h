// Attention on tensor cores, behind tensor/ops/attention/attention.h: bf16 operands, f32 sums, statistics and
// log-sum-exp. Probabilities and their gradients are rounded to bf16 where they meet values, keys and queries. Head
// widths up to 128, no relative positions. The same bits every time.
#pragma once

#include "tensor/dtype.h"
#include "tensor/ops/attention/attention_kernels.h"

namespace rein::ops::cuda {

struct AttentionBf16 {
  AttentionRows<const bf16_t> q, k, v;
  std::int64_t batches, heads, lq, lk, d, dv;
  float scale;
  const std::uint8_t* blocked;             // (batches, lq, lk) or null
  AttentionRows<bf16_t> out;               // written by forward, read by backward
  float* log_sum_exp;                      // (batches, heads, lq), likewise
  AttentionRows<const bf16_t> grad_out{};  // the rest is backward's; null: not wanted
  AttentionRows<bf16_t> grad_q{}, grad_k{}, grad_v{};
};

void attention_bf16(const AttentionBf16& args);
void attention_bf16_backward(const AttentionBf16& args);

}  // namespace rein::ops::cuda
