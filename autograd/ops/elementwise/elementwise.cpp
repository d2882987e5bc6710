#include "autograd/ops/elementwise/elementwise.h"

#include "autograd/record.h"
#include "tensor/ops/elementwise/elementwise.h"

namespace rein {
namespace {

// y = f(x): grad_x = grad_out f'(x). Only x is kept; f' is computed from it again.
struct UnarySaved {
  ops::Unary function;
  SavedTensor x;
};

void unary_vjp(const UnarySaved& s, GradContext& g) {
  g.set(0, ops::unary_backward(s.function, g.out(), s.x.get()));
}

Variable unary(ops::Unary function, const Variable& x) {
  return record(
      ops::name_of(function), {x}, ops::unary(function, x.value()),
      [&](Saver& save) {
        return UnarySaved{function, save(x.value())};
      },
      unary_vjp);
}

// add, sub: the gradient passes through, negated for the second operand of sub.
struct NothingSaved {};

void add_vjp(const NothingSaved&, GradContext& g) {
  g.set(0, g.out());
  g.set(1, g.out());
}
void sub_vjp(const NothingSaved&, GradContext& g) {
  g.set(0, g.out());
  if (g.wants(1)) g.set(1, ops::scale(g.out(), -1));
}

// y = a b: grad_a = grad_out b, grad_b = grad_out a. Each operand is kept only for the other's gradient.
struct MulSaved {
  SavedTensor a, b;
};

void mul_vjp(const MulSaved& s, GradContext& g) {
  if (g.wants(0)) g.set(0, ops::mul(g.out(), s.b.get()));
  if (g.wants(1)) g.set(1, ops::mul(g.out(), s.a.get()));
}

struct ScaleSaved {
  double factor;
};

void scale_vjp(const ScaleSaved& s, GradContext& g) {
  g.set(0, ops::scale(g.out(), s.factor));
}

// y[r][c] = x[r][c] + b[c]: grad_b[c] = sum over r of grad_out[r][c].
struct AddBroadcastSaved {
  Shape b;
};

void add_broadcast_vjp(const AddBroadcastSaved& s, GradContext& g) {
  g.set(0, g.out());
  if (g.wants(1)) g.set(1, ops::sum_leading(g.out(), s.b));
}

// y[r][c] = x[r][c] b[c]: grad_x = grad_out b, grad_b[c] = sum over r of grad_out[r][c] x[r][c].
struct MulBroadcastSaved {
  SavedTensor x, b;
  Shape b_shape;
};

void mul_broadcast_vjp(const MulBroadcastSaved& s, GradContext& g) {
  if (g.wants(0)) g.set(0, ops::mul_broadcast(g.out(), s.b.get()));
  if (g.wants(1)) g.set(1, ops::mul_sum_leading(g.out(), s.x.get(), s.b_shape));
}

}  // namespace

// y > 0 exactly where x > 0, so the output is kept in the place of the input: a layer that follows keeps it as well.
Variable relu(const Variable& x) {
  const Tensor y = ops::unary(ops::Unary::relu, x.value());
  return record(
      "relu", {x}, y,
      [&](Saver& save) {
        return UnarySaved{ops::Unary::relu, save(y)};
      },
      unary_vjp);
}
Variable gelu(const Variable& x) {
  return unary(ops::Unary::gelu, x);
}
Variable gelu_tanh(const Variable& x) {
  return unary(ops::Unary::gelu_tanh, x);
}
Variable silu(const Variable& x) {
  return unary(ops::Unary::silu, x);
}
Variable sigmoid(const Variable& x) {
  return unary(ops::Unary::sigmoid, x);
}
Variable quick_gelu(const Variable& x) {
  return unary(ops::Unary::quick_gelu, x);
}

Variable add(const Variable& a, const Variable& b) {
  return record(
      "add", {a, b}, ops::add(a.value(), b.value()), [](Saver&) { return NothingSaved{}; }, add_vjp);
}

Variable sub(const Variable& a, const Variable& b) {
  return record(
      "sub", {a, b}, ops::sub(a.value(), b.value()), [](Saver&) { return NothingSaved{}; }, sub_vjp);
}

Variable mul(const Variable& a, const Variable& b) {
  return record(
      "mul", {a, b}, ops::mul(a.value(), b.value()),
      [&](Saver& save) {
        return MulSaved{save.when(save.wants(1), a.value()), save.when(save.wants(0), b.value())};
      },
      mul_vjp);
}

Variable scale(const Variable& x, double factor) {
  return record(
      "scale", {x}, ops::scale(x.value(), factor), [&](Saver&) { return ScaleSaved{factor}; }, scale_vjp);
}

Variable add_broadcast(const Variable& x, const Variable& b) {
  return record(
      "add_broadcast", {x, b}, ops::add_broadcast(x.value(), b.value()),
      [&](Saver&) { return AddBroadcastSaved{b.shape()}; }, add_broadcast_vjp);
}

Variable mul_broadcast(const Variable& x, const Variable& b) {
  return record(
      "mul_broadcast", {x, b}, ops::mul_broadcast(x.value(), b.value()),
      [&](Saver& save) {
        return MulBroadcastSaved{save.when(save.wants(1), x.value()), save.when(save.wants(0), b.value()), b.shape()};
      },
      mul_broadcast_vjp);
}

}  // namespace rein
