// The kernels behind swiglu.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/half.h"
#include "tensor/ops/kernels.h"

namespace rein::ops {

REIN_KERNELS(
    // x (rows, 2 cols), y (rows, cols).
    // T float or double with Y = T; or T bf16 with Y bf16 or float.
    template <class T, class Y> void swiglu(const T* x, std::int64_t rows, std::int64_t cols, Y* y);
    // grad_out (rows, cols); x, grad_x (rows, 2 cols).
    template <class Y, class T>
    void swiglu_backward(const Y* grad_out, const T* x, std::int64_t rows, std::int64_t cols, T* grad_x);)

}  // namespace rein::ops
