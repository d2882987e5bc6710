#include "autograd/ops/shape/reduce.h"

#include "autograd/record.h"
#include "tensor/ops/shape/reduce.h"

namespace rein {
namespace {

// y = scale * sum of x: dy/dx is `scale` everywhere, so every element gets grad_out * scale.
struct SumSaved {
  Shape x_shape;
  double scale;
};

void sum_vjp(const SumSaved& s, GradContext& g) {
  g.set(0, ops::sum_backward(g.out(), s.x_shape, s.scale));
}

struct SumAxisSaved {
  Shape x_shape;
  int axis;
  double scale;
};

void sum_axis_vjp(const SumAxisSaved& s, GradContext& g) {
  g.set(0, ops::sum_axis_backward(g.out(), s.x_shape, s.axis, s.scale));
}

// y = x[first maximal place]: grad_out goes there, the others do not move y.
struct MaxAxisSaved {
  SavedTensor indices;
  Shape x_shape;
  int axis;
};

void max_axis_vjp(const MaxAxisSaved& s, GradContext& g) {
  g.set(0, ops::max_axis_backward(g.out(), s.indices.get(), s.x_shape, s.axis));
}

}  // namespace

Variable sum(const Variable& x) {
  return record(
      "sum", {x}, ops::sum(x.value()),
      [&](Saver&) {
        return SumSaved{x.shape(), 1.0};
      },
      sum_vjp);
}

Variable mean(const Variable& x) {
  return record(
      "mean", {x}, ops::mean(x.value()),
      [&](Saver&) {
        return SumSaved{x.shape(), 1.0 / static_cast<double>(x.value().count())};
      },
      sum_vjp);
}

Variable sum_axis(const Variable& x, int axis) {
  return record(
      "sum_axis", {x}, ops::sum_axis(x.value(), axis),
      [&](Saver&) {
        return SumAxisSaved{x.shape(), axis, 1.0};
      },
      sum_axis_vjp);
}

Variable mean_axis(const Variable& x, int axis) {
  return record(
      "mean_axis", {x}, ops::mean_axis(x.value(), axis),
      [&](Saver&) {
        return SumAxisSaved{x.shape(), axis, 1.0 / static_cast<double>(x.size(axis))};
      },
      sum_axis_vjp);
}

Variable max_axis(const Variable& x, int axis) {
  ops::MaxOut out = ops::max_axis(x.value(), axis);
  return record(
      "max_axis", {x}, out.values,
      [&](Saver& save) {
        return MaxAxisSaved{save(out.indices), x.shape(), axis};
      },
      max_axis_vjp);
}

}  // namespace rein
