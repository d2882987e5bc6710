// Mixed precision: where numbers become bf16 and f32 again, and products of trained weights with bf16 operands.
// On CUDA alone (cast: everywhere). Contract of the products: tensor/ops/matmul/linear_bf16.h.
#pragma once

#include "autograd/variable.h"

namespace rein {

// x in another floating dtype; the gradient comes back in x's.
Variable cast(const Variable& x, DType dtype);

// A value in f32, to which the gradient goes, and the bf16 copy that products read: cast once, used many times.
struct Rounded {
  Variable master;
  Tensor bf16;
};
Rounded rounded(const Variable& value);  // null for null; a bf16 value is its own copy

// x (..., K) bf16, weight (N, K) with trans_weight, else (K, N); bias (N) or null; out: f32 or bf16. -> (..., N).
// The gradient of x is bf16; those of weight and bias are f32 sums.
Variable linear_bf16(const Variable& x, const Rounded& weight, bool trans_weight, const Rounded& bias, DType out);

// a in bf16 + b in f32, summed in f32 and rounded: what a product reads next.
Variable add_rounded(const Variable& a, const Variable& b);

}  // namespace rein
