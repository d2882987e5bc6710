// CUDA kernels behind tensor/ops/elementwise/swiglu.h: the signatures of swiglu_cpu.h with device addresses, and x in
// bf16.
#pragma once

#include <cstdint>

#include "tensor/half.h"

namespace rein::ops::cuda {

// T float or double with Y = T; or T bf16 with Y bf16 or float.
template <class T, class Y>
void swiglu(const T* x, std::int64_t rows, std::int64_t cols, Y* y);
template <class Y, class T>
void swiglu_backward(const Y* grad_out, const T* x, std::int64_t rows, std::int64_t cols, T* grad_x);

}  // namespace rein::ops::cuda
