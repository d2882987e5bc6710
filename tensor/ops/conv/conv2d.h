// 2-D convolution (cross-correlation) with zero padding on N,H,W,C maps.
//   y[n, i, j, o] = bias[o] + sum over ky, kx, c of x[n, i stride + ky - padding, j stride + kx - padding, c]
//                                                   weight[o, ky, kx, c]
// Equal PyTorch call: torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), weight.permute(0, 3, 1, 2), bias, stride,
// padding) .permute(0, 2, 3, 1). Numerics: products of matrices whose patches are gathered while packing
// (tensor/ops/matmul/gemm.h); no im2col memory. A stride above 1 needs memory for 1 / stride^2 of x in the gradient of
// x. 3x3 kernels of stride 1 with at least 32 channels on both sides run by Winograd's F(2x2, 3x3): 2.25 times fewer
// products, equal to the direct ones to rounding (additions and halvings before and after), 10 to 20 MiB of memory.
// On CUDA all shapes are products with gathered patches, in parts of at most 128 MiB of scratch memory.
#pragma once

#include "tensor/products.h"
#include "tensor/tensor.h"

namespace rein::ops {

// x (N, H, W, I), weight (O, kh, kw, I), bias (O) or null -> (N, H', W', O), H' = (H + 2 padding - kh) / stride + 1,
// rounded down. f32 or f64, all of one dtype. Throws when the kernel is larger than the padded map. products: what CUDA
// makes of f32 operands (tensor/products.h).
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, std::int64_t stride, std::int64_t padding,
              Products products = Products::full);

struct Conv2dGrads {
  Tensor x, weight, bias;  // null where not wanted
};
struct Conv2dWants {
  bool x = true, weight = true, bias = true;
};
// grad_out like conv2d's result. x may be null when the weight's gradient is not wanted, weight may be null when that
// of x is not; their shapes are always needed.
Conv2dGrads conv2d_backward(const Tensor& grad_out, const Tensor& x, const Tensor& weight, const Shape& x_shape,
                            const Shape& weight_shape, std::int64_t stride, std::int64_t padding, Conv2dWants wants,
                            Products products = Products::full);

}  // namespace rein::ops
