// Softmax over the last dimension with max subtraction, and its logarithm. f32 or f64.
// Numerics: a row that holds NaN or +inf becomes all NaN, as in PyTorch; a row of only -inf too. exp within 1 ulp in
// f32 (results below 2^-126 are 0), sums in the tensor's dtype over fixed lanes.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

// softmax(factor * x). x (..., C) -> like x. Equal PyTorch call: torch.softmax(factor * x, -1). factor must be
// positive.
Tensor softmax(const Tensor& x, double factor);
// From y = softmax(factor * x): factor * y * (grad_out - sum(grad_out * y)).
Tensor softmax_backward(const Tensor& grad_out, const Tensor& y, double factor);

// Equal PyTorch call: torch.log_softmax(x, -1).
Tensor log_softmax(const Tensor& x);
// From y = log_softmax(x): grad_out - exp(y) * sum(grad_out).
Tensor log_softmax_backward(const Tensor& grad_out, const Tensor& y);

}  // namespace rein::ops
