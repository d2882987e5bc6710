// CUDA kernels behind tensor/ops/residual.h: the signatures of residual_cpu.h, with device addresses.
#pragma once

#include <cstdint>

namespace rein::ops::cuda {

template <class T>
void residual(const T* x, const T* y, const T* gamma, std::int64_t rows, std::int64_t cols, T* out);
template <class T>
void residual_backward(const T* grad_out, const T* y, const T* gamma, std::int64_t rows, std::int64_t cols, T* grad_y,
                       T* grad_gamma);
template <class T>
void scaled_residual(const T* x, const T* y, const T* scale, std::int64_t batches, std::int64_t prefix,
                     std::int64_t body, T* out);
template <class T>
void scaled_residual_backward(const T* grad_out, const T* y, const T* scale, std::int64_t batches, std::int64_t prefix,
                              std::int64_t body, T* grad_y, T* grad_scale);

}  // namespace rein::ops::cuda
