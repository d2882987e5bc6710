// 3x3 convolutions of stride 1 by Winograd's F(2x2, 3x3): 16 products of matrices over the tiles of 2x2 outputs instead
// of 36, for the forward pass and both gradients. Behind tensor/ops/conv/conv2d.h; no checks here.
#pragma once

#include "tensor/ops/conv/conv2d_kernels.h"

namespace rein::ops::cpu {

// Whether the three functions below can do this shape.
bool winograd_fits(const ConvShape& shape);

// Each overwrites its last argument. bias may be null.
template <class T>
void conv2d_winograd(const T* x, const T* weight, const T* bias, const ConvShape& shape, T* y);
template <class T>
void conv2d_winograd_grad_x(const T* grad_out, const T* weight, const ConvShape& shape, T* grad_x);
template <class T>
void conv2d_winograd_grad_weight(const T* grad_out, const T* x, const ConvShape& shape, T* grad_weight);

}  // namespace rein::ops::cpu
