// Elementwise operations, f32 or f64, and their gradients. NaN propagates, infinities follow IEEE arithmetic. On CUDA
// unary, unary_backward and add_into also take bf16: computed in f32, rounded once.
// All operands of one call have one dtype. Names that would clash with std or PyTorch's arguments say what they do.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

// relu      torch.relu                                            max(x, 0), gradient 0 at 0
// gelu      torch.nn.functional.gelu(approximate="none")          x/2 (1 + erf(x / sqrt 2))
// gelu_tanh torch.nn.functional.gelu(approximate="tanh")
// silu      torch.nn.functional.silu                              x sigmoid(x)
// sigmoid   torch.sigmoid
// quick_gelu                                                      x sigmoid(1.702 x)
enum class Unary { relu, gelu, gelu_tanh, silu, sigmoid, quick_gelu };
const char* name_of(Unary function);

Tensor unary(Unary function, const Tensor& x);  // like x
// grad_out * f'(x); needs x only.
Tensor unary_backward(Unary function, const Tensor& grad_out, const Tensor& x);

// Same shapes.
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
void add_into(const Tensor& a, const Tensor& b, Tensor& out);  // out like a and b; it may be one of them
Tensor add_rounded(const Tensor& a, const Tensor& b);          // a bf16, b f32 -> bf16, on CUDA alone
void add_wide_into(Tensor& sum, const Tensor& b);              // sum f32, b bf16, on CUDA alone
Tensor scale(const Tensor& x, double factor);                  // factor is rounded to x's dtype first

// b's shape equals the last dimensions of x: (N, L, C) with (L, C) or (C).
Tensor add_broadcast(const Tensor& x, const Tensor& b);
Tensor mul_broadcast(const Tensor& x, const Tensor& b);
// Sums over the leading dimensions that `shape` (the last dimensions of grad) lacks: gradients of the broadcast
// operand. Fixed chunks of rows, added in order: the same bits for any number of threads.
Tensor sum_leading(const Tensor& grad, const Shape& shape);
Tensor mul_sum_leading(const Tensor& grad, const Tensor& x, const Shape& shape);  // of grad * x, in one pass

}  // namespace rein::ops
