// Attention on tensor cores, behind tensor/ops/attention/attention.h: bf16 operands, f32 sums, statistics and
// log-sum-exp. Probabilities and their gradients are rounded to bf16 where they meet values, keys and queries. Head
// widths up to 128, no relative positions. The same bits every time.
#pragma once

#include "tensor/ops/attention/attention_kernels.h"

namespace rein::ops::cuda {

void attention_bf16(const AttentionArgs<bf16_t>& args);
void attention_bf16_backward(const AttentionArgs<bf16_t>& args, const AttentionGradArgs<bf16_t>& grads);

}  // namespace rein::ops::cuda
