// CUDA kernels behind tensor/ops/norm/group_norm.h: the signatures of group_norm_cpu.h, with device addresses.
#pragma once

#include "tensor/ops/norm/group_norm_cpu.h"

namespace rein::ops::cuda {

using cpu::GroupNormSizes;

template <class T>
void group_norm(const T* x, const T* weight, const T* bias, double eps, const GroupNormSizes& sizes, T* y, T* mean,
                T* rstd);
template <class T>
void group_norm_backward(const T* grad_out, const T* x, const T* weight, const T* mean, const T* rstd,
                         const GroupNormSizes& sizes, T* grad_x, T* grad_weight, T* grad_bias);

}  // namespace rein::ops::cuda
