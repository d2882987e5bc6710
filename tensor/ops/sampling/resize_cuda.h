// CUDA kernel behind tensor/ops/sampling/resize.h: resize_cpu.h's signature; x, y and the arrays of the taps are on the
// device.
#pragma once

#include <cstdint>

#include "tensor/ops/sampling/resize_cpu.h"

namespace rein::ops::cuda {

template <class T>
using Taps = cpu::Taps<T>;

template <class T>
void resample(const T* x, std::int64_t n, std::int64_t in_h, std::int64_t in_w, std::int64_t channels,
              const Taps<T>& rows, const Taps<T>& cols, std::int64_t out_h, std::int64_t out_w, T* y);

}  // namespace rein::ops::cuda
