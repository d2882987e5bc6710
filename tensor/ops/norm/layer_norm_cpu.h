// CPU kernels behind tensor/ops/norm/layer_norm.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

namespace rein::ops::cpu {

template <class T>
void layer_norm(const T* x, const T* weight, const T* bias, T eps, std::int64_t rows, std::int64_t cols, T* y, T* mean,
                T* rstd);

// Outputs may be null (not wanted); what is there is overwritten, or, grad_x alone with `add`, added to.
template <class T>
void layer_norm_backward(const T* grad_out, const T* x, const T* weight, const T* mean, const T* rstd,
                         std::int64_t rows, std::int64_t cols, bool add, T* grad_x, T* grad_weight, T* grad_bias);

}  // namespace rein::ops::cpu
