// The kernels behind conv2d.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"
#include "tensor/products.h"

namespace rein::ops {

struct ConvShape {
  std::int64_t batch, height, width, in;
  std::int64_t out_height, out_width, out;
  std::int64_t kernel_height, kernel_width, stride, padding;
  Products products = Products::full;  // for CUDA
};

REIN_KERNELS(
    // Patches of the map are gathered into scratch memory of at most 128 MiB (or one pixel's patch), part by part, and
    // multiplied by tensor/ops/matmul/gemm_cuda.h. Parts depend on the shape alone: the same bits every time.
    // Each overwrites its last argument. bias may be null.
    template <class T> void conv2d(const T* x, const T* weight, const T* bias, const ConvShape& shape, T* y);
    template <class T> void conv2d_grad_x(const T* grad_out, const T* weight, const ConvShape& shape, T* grad_x);
    template <class T> void conv2d_grad_weight(const T* grad_out, const T* x, const ConvShape& shape, T* grad_weight);)

}  // namespace rein::ops
