// CPU kernels behind tensor/ops/elementwise/residual.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

namespace rein::ops::cpu {

// out = x + gamma * y; gamma (cols) or null.
template <class T>
void residual(const T* x, const T* y, const T* gamma, std::int64_t rows, std::int64_t cols, T* out);
// Outputs may be null (not wanted); what is there is overwritten.
template <class T>
void residual_backward(const T* grad_out, const T* y, const T* gamma, std::int64_t rows, std::int64_t cols, T* grad_y,
                       T* grad_gamma);

// batches matrices of `prefix` elements that stay x, then `body` elements x + scale * y; scale null: 1.
template <class T>
void scaled_residual(const T* x, const T* y, const T* scale, std::int64_t batches, std::int64_t prefix,
                     std::int64_t body, T* out);
template <class T>
void scaled_residual_backward(const T* grad_out, const T* y, const T* scale, std::int64_t batches, std::int64_t prefix,
                              std::int64_t body, T* grad_y, T* grad_scale);

}  // namespace rein::ops::cpu
