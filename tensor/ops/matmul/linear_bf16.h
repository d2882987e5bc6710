// linear with operands and gradients in bf16 and sums in f32, on CUDA alone: the products of mixed precision.
// Equal PyTorch call: torch.nn.functional.linear under bf16 autocast; but gradients of weight and bias are f32 sums
// that are never rounded to bf16. Numerics: tensor/ops/matmul/gemm_bf16.h.
#pragma once

#include "tensor/ops/matmul/linear.h"

namespace rein::ops {

// x (..., K) bf16, weight bf16: (N, K) with trans_weight (y = x weight^T, as linear), else (K, N) (y = x weight).
// out: f32, or bf16 (rounded once, after the bias). bias (N) of that dtype, or null. -> (..., N).
Tensor linear_bf16(const Tensor& x, const Tensor& weight, bool trans_weight, const Tensor& bias, DType out);

// grad_out (..., N), f32 (then rounded for the products) or bf16. -> x in bf16, weight and bias in f32. x may be null
// when the weight's gradient is not wanted, weight may be null when that of x is not.
LinearGrads linear_bf16_backward(const Tensor& grad_out, const Tensor& x, const Tensor& weight, bool trans_weight,
                                 LinearWants wants);

}  // namespace rein::ops
