// The kernels behind layer_norm.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

REIN_KERNELS(
    // Y: T, or bf16 beside f32.
    template <class T, class Y = T> void layer_norm(const T* x, const T* weight, const T* bias, T eps,
                                                    std::int64_t rows, std::int64_t cols, Y* y, T* mean, T* rstd);
    // Outputs may be null (not wanted); what is there is overwritten, or, grad_x alone with `add`, added to.
    template <class T, class Y = T>
    void layer_norm_backward(const Y* grad_out, const T* x, const T* weight, const T* mean, const T* rstd,
                             std::int64_t rows, std::int64_t cols, bool add, T* grad_x, T* grad_weight, T* grad_bias);)

}  // namespace rein::ops
