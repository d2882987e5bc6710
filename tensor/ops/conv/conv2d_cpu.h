// CPU kernels behind tensor/ops/conv/conv2d.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/products.h"

namespace rein::ops::cpu {

struct ConvShape {
  std::int64_t batch, height, width, in;
  std::int64_t out_height, out_width, out;
  std::int64_t kernel_height, kernel_width, stride, padding;
  Products products = Products::full;  // for CUDA
};

// Each overwrites its last argument. bias may be null.
template <class T>
void conv2d(const T* x, const T* weight, const T* bias, const ConvShape& shape, T* y);
template <class T>
void conv2d_grad_x(const T* grad_out, const T* weight, const ConvShape& shape, T* grad_x);
template <class T>
void conv2d_grad_weight(const T* grad_out, const T* x, const ConvShape& shape, T* grad_weight);

}  // namespace rein::ops::cpu
