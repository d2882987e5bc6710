// Softmax over the last dimension with max subtraction. f32 or f64.
// Numerics: a row that holds NaN or +inf becomes all NaN, as in PyTorch; a row of only -inf too. exp within 1 ulp in
// f32 (results below 2^-126 are 0), sums in the tensor's dtype over fixed lanes.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

// Named, so that nobody takes it for PyTorch's axis: softmax(x, {.factor = 0.125}).
struct SoftmaxOptions {
  double factor = 1;  // of x; positive
};

// softmax(factor * x). x (..., C) -> like x. Equal PyTorch call: torch.softmax(factor * x, -1).
Tensor softmax(const Tensor& x, SoftmaxOptions options = {});
// From y = softmax(factor * x): factor * y * (grad_out - sum(grad_out * y)).
Tensor softmax_backward(const Tensor& grad_out, const Tensor& y, SoftmaxOptions options = {});

}  // namespace rein::ops
