#include "autograd/ops/shape/shape.h"

#include "autograd/record.h"
#include "tensor/error.h"
#include "tensor/ops/shape/reduce.h"
#include "tensor/ops/shape/shape_ops.h"

// Copies are linear maps whose matrix has a single 1 per row; the VJP is the transposed copy.
namespace rein {
namespace {

struct ViewSaved {
  Shape x_shape;
};

void view_vjp(const ViewSaved& s, GradContext& g) {
  g.set(0, g.out().view(s.x_shape));
}

// y[i_axes] = x[i], so grad_x is grad_out with the axes put back.
struct PermuteSaved {
  std::vector<int> inverse;
};

void permute_vjp(const PermuteSaved& s, GradContext& g) {
  g.set(0, ops::permute(g.out(), s.inverse));
}

struct ConcatSaved {
  int axis;
  std::vector<std::int64_t> sizes;
};

// Each part gets its range; ranges of parts that need none are not copied.
void concat_vjp(const ConcatSaved& s, GradContext& g) {
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < s.sizes.size(); ++i) {
    const int input = static_cast<int>(i);
    if (g.wants(input)) g.set(input, ops::slice(g.out(), s.axis, begin, begin + s.sizes[i]));
    begin += s.sizes[i];
  }
}

struct SplitSaved {
  Shape x_shape;
  DType dtype;
  int axis;
  std::vector<std::int64_t> sizes;
};

// The ranges do not overlap: one buffer, each output's gradient in its place, zeros where nobody used the output.
void split_vjp(const SplitSaved& s, GradContext& g) {
  std::vector<Tensor> grads;
  for (std::size_t i = 0; i < s.sizes.size(); ++i) grads.push_back(g.out(static_cast<int>(i)));
  g.set(0, ops::split_backward(grads, s.x_shape, s.dtype, s.axis, s.sizes));
}

struct SliceSaved {
  Shape x_shape;
  int axis;
  std::int64_t begin;
};

void slice_vjp(const SliceSaved& s, GradContext& g) {
  g.set(0, ops::slice_backward(g.out(), s.x_shape, s.axis, s.begin));
}

// Every copy of the row sends its gradient back to it: the sum over the first dimension.
struct ExpandSaved {
  Shape x_shape;
};

void expand_vjp(const ExpandSaved& s, GradContext& g) {
  g.set(0, ops::sum_axis(g.out(), 0).view(s.x_shape));
}

}  // namespace

Variable view(const Variable& x, const Shape& shape) {
  return record(
      "view", {x}, x.value().view(shape), [&](Saver&) { return ViewSaved{x.shape()}; }, view_vjp);
}

Variable permute(const Variable& x, const std::vector<int>& axes) {
  return record(
      "permute", {x}, ops::permute(x.value(), axes), [&](Saver&) { return PermuteSaved{ops::inverse_axes(axes)}; },
      permute_vjp);
}

Variable concat(const std::vector<Variable>& parts, int axis) {
  std::vector<Tensor> tensors;
  for (const Variable& part : parts) tensors.push_back(part.value());
  Tensor y = ops::concat(tensors, axis);
  return record(
      "concat", parts, std::move(y),
      [&](Saver&) {
        ConcatSaved saved{axis, {}};
        for (const Tensor& t : tensors) saved.sizes.push_back(t.size(axis));
        return saved;
      },
      concat_vjp);
}

std::vector<Variable> split(const Variable& x, int axis, const std::vector<std::int64_t>& sizes) {
  return record_many(
      "split", {x}, ops::split(x.value(), axis, sizes),
      [&](Saver&) {
        return SplitSaved{x.shape(), x.dtype(), axis, sizes};
      },
      split_vjp);
}

std::vector<Variable> split_rows(const Variable& x, const std::vector<std::int64_t>& sizes) {
  std::vector<Tensor> parts;
  std::int64_t begin = 0;
  for (const std::int64_t size : sizes) {
    parts.push_back(x.value().rows(begin, begin + size));
    begin += size;
  }
  require(begin == x.size(0), "split_rows", "sizes must sum to ", x.size(0), ", the rows of ", x.shape(), ", got ",
          begin);
  return record_many(
      "split_rows", {x}, std::move(parts),
      [&](Saver&) {
        return SplitSaved{x.shape(), x.dtype(), 0, sizes};
      },
      split_vjp);
}

Variable slice(const Variable& x, int axis, std::int64_t begin, std::int64_t end) {
  return record(
      "slice", {x}, ops::slice(x.value(), axis, begin, end),
      [&](Saver&) {
        return SliceSaved{x.shape(), axis, begin};
      },
      slice_vjp);
}

Variable expand(const Variable& x, std::int64_t n) {
  return record(
      "expand", {x}, ops::expand(x.value(), n), [&](Saver&) { return ExpandSaved{x.shape()}; }, expand_vjp);
}

Variable nchw_to_nhwc(const Variable& x) {
  return permute(x, {0, 2, 3, 1});
}
Variable nhwc_to_nchw(const Variable& x) {
  return permute(x, {0, 3, 1, 2});
}

}  // namespace rein
