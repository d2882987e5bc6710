// CUDA kernels behind tensor/ops/conv/conv2d.h: the signatures of conv2d_cpu.h, with device addresses.
#pragma once

#include "tensor/ops/conv/conv2d_cpu.h"

namespace rein::ops::cuda {

using cpu::ConvShape;

// Patches of the map are gathered into scratch memory of at most 128 MiB (or one pixel's patch), part by part, and
// multiplied by tensor/ops/matmul/gemm_cuda.h. Parts depend on the shape alone: the same bits every time.
template <class T>
void conv2d(const T* x, const T* weight, const T* bias, const ConvShape& shape, T* y);
template <class T>
void conv2d_grad_x(const T* grad_out, const T* weight, const ConvShape& shape, T* grad_x);
template <class T>
void conv2d_grad_weight(const T* grad_out, const T* x, const ConvShape& shape, T* grad_weight);

}  // namespace rein::ops::cuda
