// The logarithm of softmax over the last dimension, y = x - log(sum(exp(x))), with max subtraction. f32 or f64.
// Equal PyTorch call: torch.log_softmax(x, -1).
// Numerics: the maximum and the log of the sum are subtracted one after the other, so a large maximum does not swallow
// the log; a row that holds NaN or +inf becomes all NaN, a row of only -inf too. exp within 1 ulp in f32.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

// x (..., C) -> like x.
Tensor log_softmax(const Tensor& x);
// From y = log_softmax(x): grad_out - exp(y) * sum(grad_out).
Tensor log_softmax_backward(const Tensor& grad_out, const Tensor& y);

}  // namespace rein::ops
