// The matrix product: C = alpha op(A) op(B) + bias, or C += that. op(X) is X or its transpose. f32 or f64.
// Equal PyTorch calls: torch.addmm(bias, a, b), torch.baddbmm, torch.matmul.
// Numerics: fused multiply-adds in the operands' dtype, summed in the order of k in blocks of at most 384 (cut by k
// alone); the same bits for any number of threads and whatever other rows, columns or batches are computed beside.
#pragma once

#include "tensor/products.h"
#include "tensor/rows.h"

namespace rein::ops {

// Whether a kernel replaces what its output holds or adds to it.
enum class Write { overwrite, add };

// op(a) (M, K), op(b) (K, N), c (M, N), bias (N) or null. Batches: c has B of them; a and b have B, or one that all
// share (batches 1 or batch_pitch 0). c must not overlap a, b or bias, nor its own batches.
// products: what CUDA makes of f32 operands (tensor/products.h).
// Throws std::invalid_argument on shapes, dtypes or devices that do not fit.
void gemm(const Rows& a, bool trans_a, const Rows& b, bool trans_b, Rows c, Write write, const Tensor& bias = {},
          double alpha = 1.0, Products products = Products::full);

// (M, K) x (K, N) -> (M, N); (B, M, K) x (B, K, N) -> (B, M, N), where either operand may be 2-D and then serves all
// batches. With trans_a, a is (…, K, M); with trans_b, b is (…, N, K).
Tensor matmul(const Tensor& a, const Tensor& b, bool trans_a = false, bool trans_b = false,
              Products products = Products::full);

struct MatmulGrads {
  Tensor a, b;  // null where not wanted
};
// grad_out like matmul's result. Only the shape of an operand whose own gradient is wanted is needed, and the values of
// the other one: `a` may be null when want_b is false, `b` when want_a is false. A 2-D operand beside a 3-D one gets
// the sum over batches, in order.
MatmulGrads matmul_backward(const Tensor& grad_out, const Tensor& a, const Tensor& b, bool trans_a, bool trans_b,
                            const Shape& a_shape, const Shape& b_shape, bool want_a, bool want_b,
                            Products products = Products::full);

}  // namespace rein::ops
