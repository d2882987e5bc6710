// Differentiable matrix products.
#pragma once

#include "autograd/variable.h"

namespace rein {

// x (..., K), weight (N, K), bias (N) or null -> (..., N). Equal PyTorch call: torch.nn.functional.linear.
Variable linear(const Variable& x, const Variable& weight, const Variable& bias = {});
// a (M, K), b (K, N) -> (M, N), or both with a leading batch dimension; trans_x swaps the last two dimensions of x first.
Variable matmul(const Variable& a, const Variable& b, bool trans_a = false, bool trans_b = false);

}  // namespace rein
