// CUDA kernels behind tensor/ops/attention/attention.h: the structs of attention_cpu.h, with device addresses.
#pragma once

#include "tensor/ops/attention/attention_cpu.h"

namespace rein::ops::cuda {

using cpu::AttentionArgs;
using cpu::AttentionGradArgs;

template <class T>
void attention(const AttentionArgs<T>& args);
template <class T>
void attention_backward(const AttentionArgs<T>& args, const AttentionGradArgs<T>& grads);

}  // namespace rein::ops::cuda
