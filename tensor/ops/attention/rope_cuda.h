// CUDA kernel behind tensor/ops/attention/rope.h: the signature of rope_cpu.h, with device addresses.
#pragma once

#include "tensor/ops/attention/rope_cpu.h"

namespace rein::ops::cuda {

using cpu::RopeSizes;

// X: T, or bf16 beside tables in f32.
template <class T, class X = T>
void rope(const X* x, const T* cos, const T* sin, const RopeSizes& sizes, RopePairs pairs, bool inverse, X* y);

}  // namespace rein::ops::cuda
