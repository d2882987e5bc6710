#include "tensor/ops/norm/softmax.h"

#include "autograd/ops/norm/norm.h"
#include "autograd/record.h"

namespace rein {
namespace {

// y_i = e^{f x_i} / sum_j e^{f x_j}:  dy_i / dx_k = f y_i (delta_ik - y_k), so
//   grad_x_k = f y_k (grad_out_k - sum_i grad_out_i y_i).
struct SoftmaxSaved {
  SavedTensor y;
  SoftmaxOptions options;
};

void softmax_vjp(const SoftmaxSaved& s, GradContext& g) {
  g.set(0, ops::softmax_backward(g.out(), s.y.get(), s.options));
}

}  // namespace

Variable softmax(const Variable& x, SoftmaxOptions options) {
  const Tensor y = ops::softmax(x.value(), options);
  return record(
      "softmax", {x}, y,
      [&](Saver& save) {
        return SoftmaxSaved{save(y), options};
      },
      softmax_vjp);
}

}  // namespace rein
