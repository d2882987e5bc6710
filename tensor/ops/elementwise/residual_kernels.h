// The kernels behind residual.h; Y is T, or on CUDA bf16 beside f32. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

REIN_KERNELS(
    // out = x + gamma * y; gamma (cols) or null.
    template <class T, class Y = T>
    void residual(const T* x, const Y* y, const T* gamma, std::int64_t rows, std::int64_t cols, T* out);
    // Outputs may be null (not wanted); what is there is overwritten.
    template <class T, class Y = T>
    void residual_backward(const T* grad_out, const Y* y, const T* gamma, std::int64_t rows, std::int64_t cols,
                           Y* grad_y, T* grad_gamma);
    // batches matrices of `prefix` elements that stay x, then `body` elements x + scale * y; scale null: 1.
    template <class T, class Y = T> void scaled_residual(const T* x, const Y* y, const T* scale, std::int64_t batches,
                                                         std::int64_t prefix, std::int64_t body, T* out);
    template <class T, class Y = T>
    void scaled_residual_backward(const T* grad_out, const Y* y, const T* scale, std::int64_t batches,
                                  std::int64_t prefix, std::int64_t body, Y* grad_y, T* grad_scale);)

}  // namespace rein::ops
