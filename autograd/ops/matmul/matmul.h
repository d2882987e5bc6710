// Differentiable matrix products.
#pragma once

#include "autograd/variable.h"
#include "tensor/products.h"

namespace rein {

// x (..., K), weight (N, K), bias (N) or null -> (..., N). Equal PyTorch call: torch.nn.functional.linear. products:
// what CUDA makes of f32 operands, forward and backward (tensor/products.h). A frozen weight may be bf16
// (tensor/ops/matmul/linear.h).
Variable linear(const Variable& x, const Variable& weight, const Variable& bias = {},
                Products products = Products::full);
// a (M, K), b (K, N) -> (M, N); with a leading batch dimension on both, or on one while the other serves all batches
// (its gradient is then the sum over them, in order). trans_x: x is stored with its last two dimensions swapped. Equal
// PyTorch call: torch.matmul.
Variable matmul(const Variable& a, const Variable& b, bool trans_a = false, bool trans_b = false,
                Products products = Products::full);

}  // namespace rein
