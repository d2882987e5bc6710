// Differentiable convolution (cross-correlation, zero padding) on N,H,W,C maps.
#pragma once

#include "autograd/variable.h"
#include "tensor/products.h"

namespace rein {

struct ConvOptions {
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  Products products = Products::full;  // what CUDA makes of f32 operands, forward and backward
};

// x (N, H, W, I), weight (O, kh, kw, I), bias (O) or null -> (N, H', W', O), H' = (H + 2 padding - kh) / stride + 1.
// Equal PyTorch call: torch.nn.functional.conv2d on permuted tensors.
Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias, const ConvOptions& options);

// Image to flattened patches: (N, H, W, C) -> (N, (H/p)*(W/p), p*p*C), rows row-major over patches, channels in the
// order (dy, dx, c): a patch embedding is then linear(patches, weight (O, p, p, C) viewed as (O, p*p*C)). H and W must
// be multiples of p.
Variable patchify(const Variable& image, std::int64_t patch);

}  // namespace rein
