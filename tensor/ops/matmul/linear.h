// y = x weight^T + bias over the last dimension.
// Equal PyTorch call: torch.nn.functional.linear(x, weight, bias).
// Numerics: tensor/ops/matmul/gemm.h. The bias gradient sums rows in fixed groups, in order.
#pragma once

#include "tensor/products.h"
#include "tensor/tensor.h"

namespace rein::ops {

// x (..., K), weight (N, K), bias (N) or null -> (..., N). f32 or f64, all of one dtype; or x and bias f32 beside a
// bf16 weight, a frozen one: then x is rounded to bf16 for the product, and so is grad_out for grad_x (gemm_bf16.h).
// All in bf16: linear_bf16.h. products: what CUDA makes of f32 operands (tensor/products.h).
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Products products = Products::full);

struct LinearGrads {
  Tensor x, weight, bias;  // null where not wanted
};
struct LinearWants {
  bool x = true, weight = true, bias = true;
};
// grad_out (..., N) like linear's result. x may be null when the weight's gradient is not wanted, weight may be null
// when that of x is not.
LinearGrads linear_backward(const Tensor& grad_out, const Tensor& x, const Tensor& weight, LinearWants wants,
                            Products products = Products::full);

// The sum over all leading dimensions: x (..., C) -> (C). Equal PyTorch call: x.flatten(0, -2).sum(0). On CUDA x may be
// bf16: sums are f32.
Tensor column_sums(const Tensor& x);

}  // namespace rein::ops
