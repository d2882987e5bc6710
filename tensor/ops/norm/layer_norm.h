// LayerNorm over the last dimension: y = (x - mean) / sqrt(var + eps) * weight + bias, biased variance.
// Equal PyTorch call: torch.nn.functional.layer_norm(x, (C,), weight, bias, eps).
// Numerics: two passes (centred variance), statistics in the tensor's dtype or wider; NaN propagates.
#pragma once

#include <optional>

#include "tensor/tensor.h"

namespace rein::ops {

struct LayerNormOut {
  Tensor y;     // like x
  Tensor mean;  // (rows)
  Tensor rstd;  // (rows), 1 / sqrt(var + eps)
};

// x (..., C), weight (C), bias (C); f32 or f64, all of one dtype. out: y's dtype, as x's unless given; bf16, on CUDA
// and for f32 alone, is what products of mixed precision read: everything before it stays f32.
LayerNormOut layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                        std::optional<DType> out = {});

struct LayerNormGrads {
  Tensor x, weight, bias;  // null where not wanted
};
struct LayerNormWants {
  bool x = true, weight = true, bias = true;
};
// grad_out like y; x, weight, mean, rstd as given to and made by layer_norm. add_to, like x or null: a gradient of x
// from elsewhere, to which that of x is added in place; it comes back as grads.x. One pass instead of two.
LayerNormGrads layer_norm_backward(const Tensor& grad_out, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                   const Tensor& rstd, LayerNormWants wants, const Tensor& add_to = {});

}  // namespace rein::ops
