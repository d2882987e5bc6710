#include "autograd/ops/sampling/resize.h"

#include "autograd/record.h"

namespace rein {
namespace {

// y = A x with A the product of one map per axis, fixed by the sizes: grad_x = A^T grad_out. Nothing is saved.
struct ResizeSaved {
  Shape x_shape;
  ops::ResizeOptions options;
};

void resize_vjp(const ResizeSaved& s, GradContext& g) {
  g.set(0, ops::resize_backward(g.out(), s.x_shape, s.options));
}

}  // namespace

Variable resize(const Variable& x, const ops::ResizeOptions& options) {
  return record(
      "resize", {x}, ops::resize(x.value(), options),
      [&](Saver&) {
        return ResizeSaved{x.shape(), options};
      },
      resize_vjp);
}

}  // namespace rein
