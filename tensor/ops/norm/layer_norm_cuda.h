// CUDA kernels behind tensor/ops/norm/layer_norm.h: the signatures of layer_norm_cpu.h, with device addresses.
#pragma once

#include <cstdint>

namespace rein::ops::cuda {

// Y: T, or bf16 beside f32.
template <class T, class Y = T>
void layer_norm(const T* x, const T* weight, const T* bias, T eps, std::int64_t rows, std::int64_t cols, Y* y, T* mean,
                T* rstd);
template <class T, class Y = T>
void layer_norm_backward(const Y* grad_out, const T* x, const T* weight, const T* mean, const T* rstd,
                         std::int64_t rows, std::int64_t cols, bool add, T* grad_x, T* grad_weight, T* grad_bias);

}  // namespace rein::ops::cuda
