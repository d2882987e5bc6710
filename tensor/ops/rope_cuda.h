// CUDA kernel behind tensor/ops/rope.h: the signature of rope_cpu.h, with device addresses.
#pragma once

#include "tensor/ops/rope_cpu.h"

namespace rein::ops::cuda {

using cpu::RopeSizes;

template <class T>
void rope(const T* x, const T* cos, const T* sin, const RopeSizes& sizes, RopePairs pairs, bool inverse, T* y);

}  // namespace rein::ops::cuda
