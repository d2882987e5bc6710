#include "autograd/ops/norm/softmax.h"

#include "autograd/record.h"
#include "tensor/ops/norm/softmax.h"

namespace rein {
namespace {

// y_i = e^{f x_i} / sum_j e^{f x_j}:  dy_i / dx_k = f y_i (delta_ik - y_k), so
//   grad_x_k = f y_k (grad_out_k - sum_i grad_out_i y_i).
struct SoftmaxSaved {
  SavedTensor y;
  double factor;
};

void softmax_vjp(const SoftmaxSaved& s, GradContext& g) {
  g.set(0, ops::softmax_backward(g.out(), s.y.get(), s.factor));
}

// y_i = x_i - log sum_j e^{x_j}:  dy_i / dx_k = delta_ik - e^{y_k}, so
//   grad_x_k = grad_out_k - e^{y_k} sum_i grad_out_i.
struct LogSoftmaxSaved {
  SavedTensor y;
};

void log_softmax_vjp(const LogSoftmaxSaved& s, GradContext& g) {
  g.set(0, ops::log_softmax_backward(g.out(), s.y.get()));
}

}  // namespace

Variable softmax(const Variable& x, const SoftmaxOptions& options) {
  const double factor = options.factor;
  const Tensor y = ops::softmax(x.value(), factor);
  return record(
      "softmax", {x}, y,
      [&](Saver& save) {
        return SoftmaxSaved{save(y), factor};
      },
      softmax_vjp);
}

Variable log_softmax(const Variable& x) {
  const Tensor y = ops::log_softmax(x.value());
  return record(
      "log_softmax", {x}, y, [&](Saver& save) { return LogSoftmaxSaved{save(y)}; }, log_softmax_vjp);
}

}  // namespace rein
