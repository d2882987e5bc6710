#include "tensor/ops/norm/log_softmax.h"

#include "autograd/ops/norm/norm.h"
#include "autograd/record.h"

namespace rein {
namespace {

// y_i = x_i - log sum_j e^{x_j}:  dy_i / dx_k = delta_ik - e^{y_k}, so
//   grad_x_k = grad_out_k - e^{y_k} sum_i grad_out_i.
struct LogSoftmaxSaved {
  SavedTensor y;
};

void log_softmax_vjp(const LogSoftmaxSaved& s, GradContext& g) {
  g.set(0, ops::log_softmax_backward(g.out(), s.y.get()));
}

}  // namespace

Variable log_softmax(const Variable& x) {
  const Tensor y = ops::log_softmax(x.value());
  return record(
      "log_softmax", {x}, y, [&](Saver& save) { return LogSoftmaxSaved{save(y)}; }, log_softmax_vjp);
}

}  // namespace rein
