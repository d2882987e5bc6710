#include "autograd/ops/matmul/matmul.h"

#include "autograd/record.h"
#include "tensor/ops/matmul/gemm.h"
#include "tensor/ops/matmul/linear.h"

namespace rein {
namespace {

// y = x W^T + b over rows, g = grad_out:
//   grad_x = g W     grad_W = g^T x     grad_b = sum over rows of g
// A frozen W keeps no x, and an x that needs no gradient keeps no W.
struct LinearSaved {
  SavedTensor x, weight;
  Products products;
};

void linear_vjp(const LinearSaved& s, GradContext& g) {
  auto grads = ops::linear_backward(g.out(), s.x.get(), s.weight.get(),
                                    {.x = g.wants(0), .weight = g.wants(1), .bias = g.wants(2)}, s.products);
  g.set(0, std::move(grads.x));
  g.set(1, std::move(grads.weight));
  g.set(2, std::move(grads.bias));
}

// C = A B, g = grad_out: grad_A = g B^T, grad_B = A^T g. An operand stored transposed gets the transpose of that:
// grad_(A^T) = B g^T, grad_(B^T) = g^T A. A matrix shared by all batches gets the sum over them.
struct MatmulSaved {
  SavedTensor a, b;
  Shape a_shape, b_shape;
  bool trans_a, trans_b;
  Products products;
};

void matmul_vjp(const MatmulSaved& s, GradContext& g) {
  auto grads = ops::matmul_backward(g.out(), s.a.get(), s.b.get(), s.trans_a, s.trans_b, s.a_shape, s.b_shape,
                                    g.wants(0), g.wants(1), s.products);
  g.set(0, std::move(grads.a));
  g.set(1, std::move(grads.b));
}

}  // namespace

Variable linear(const Variable& x, const Variable& weight, const Variable& bias, Products products) {
  return record(
      "linear", {x, weight, bias}, ops::linear(x.value(), weight.value(), bias ? bias.value() : Tensor(), products),
      [&](Saver& save) {
        return LinearSaved{save.when(save.wants(1), x.value()), save.when(save.wants(0), weight.value()), products};
      },
      linear_vjp);
}

Variable matmul(const Variable& a, const Variable& b, bool trans_a, bool trans_b, Products products) {
  return record(
      "matmul", {a, b}, ops::matmul(a.value(), b.value(), trans_a, trans_b, products),
      [&](Saver& save) {
        return MatmulSaved{save.when(save.wants(1), a.value()),
                           save.when(save.wants(0), b.value()),
                           a.shape(),
                           b.shape(),
                           trans_a,
                           trans_b,
                           products};
      },
      matmul_vjp);
}

}  // namespace rein
