// CPU kernels behind tensor/ops/elementwise/swiglu.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

namespace rein::ops::cpu {

// x (rows, 2 cols), y (rows, cols).
template <class T>
void swiglu(const T* x, std::int64_t rows, std::int64_t cols, T* y);

// grad_out (rows, cols); x, grad_x (rows, 2 cols).
template <class T>
void swiglu_backward(const T* grad_out, const T* x, std::int64_t rows, std::int64_t cols, T* grad_x);

}  // namespace rein::ops::cpu
