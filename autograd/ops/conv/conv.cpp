#include "autograd/ops/conv/conv.h"

#include "autograd/record.h"
#include "tensor/ops/conv/conv2d.h"

namespace rein {
namespace {

// y[p, o] = b[o] + sum over taps t of x[p + t] . w[o, t], with g = grad_out:
//   grad_x[q]    = sum over t, o of g[q - t, o] w[o, t]     (the correlation of g with the turned kernel)
//   grad_w[o, t] = sum over p of g[p, o] x[p + t]
//   grad_b[o]    = sum over p of g[p, o]
// A frozen weight keeps no x, and an x that needs no gradient keeps no weight.
struct Conv2dSaved {
  SavedTensor x, weight;
  Shape x_shape, weight_shape;
  ConvOptions options;
};

void conv2d_vjp(const Conv2dSaved& s, GradContext& g) {
  auto grads = ops::conv2d_backward(g.out(), s.x.get(), s.weight.get(), s.x_shape, s.weight_shape, s.options.stride,
                                    s.options.padding, {.x = g.wants(0), .weight = g.wants(1), .bias = g.wants(2)},
                                    s.options.products);
  g.set(0, std::move(grads.x));
  g.set(1, std::move(grads.weight));
  g.set(2, std::move(grads.bias));
}

}  // namespace

Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias, const ConvOptions& options) {
  return record(
      "conv2d", {x, weight, bias},
      ops::conv2d(x.value(), weight.value(), bias ? bias.value() : Tensor(), options.stride, options.padding,
                  options.products),
      [&](Saver& save) {
        return Conv2dSaved{save.when(save.wants(1), x.value()), save.when(save.wants(0), weight.value()), x.shape(),
                           weight.shape(), options};
      },
      conv2d_vjp);
}

}  // namespace rein
