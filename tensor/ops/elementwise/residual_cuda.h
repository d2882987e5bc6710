// CUDA kernels behind tensor/ops/elementwise/residual.h: the signatures of residual_cpu.h, with device addresses. Y is
// T, or bf16 beside f32.
#pragma once

#include <cstdint>

namespace rein::ops::cuda {

template <class T, class Y = T>
void residual(const T* x, const Y* y, const T* gamma, std::int64_t rows, std::int64_t cols, T* out);
template <class T, class Y = T>
void residual_backward(const T* grad_out, const Y* y, const T* gamma, std::int64_t rows, std::int64_t cols, Y* grad_y,
                       T* grad_gamma);
template <class T, class Y = T>
void scaled_residual(const T* x, const Y* y, const T* scale, std::int64_t batches, std::int64_t prefix,
                     std::int64_t body, T* out);
template <class T, class Y = T>
void scaled_residual_backward(const T* grad_out, const Y* y, const T* scale, std::int64_t batches, std::int64_t prefix,
                              std::int64_t body, Y* grad_y, T* grad_scale);

}  // namespace rein::ops::cuda
