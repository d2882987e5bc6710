#include "tensor/ops/norm/layer_norm.h"
#include "autograd/ops/norm/norm.h"
#include "autograd/record.h"

namespace rein {
namespace {

// With xhat = (x - mean) rstd and g = grad_out * weight, per row of C elements:
//   grad_x      = rstd (g - mean(g) - xhat mean(g xhat))     (mean and rstd depend on x: the two subtracted means)
//   grad_weight = sum over rows of grad_out xhat
//   grad_bias   = sum over rows of grad_out
struct LayerNormSaved {
  SavedTensor x, weight, mean, rstd;
};

void layer_norm_vjp(const LayerNormSaved& s, GradContext& g) {
  auto grads = ops::layer_norm_backward(g.out(), s.x.get(), s.weight.get(), s.mean.get(), s.rstd.get(),
                                        {.x = g.wants(0), .weight = g.wants(1), .bias = g.wants(2)}, g.take(0));
  g.set(0, std::move(grads.x));
  g.set(1, std::move(grads.weight));
  g.set(2, std::move(grads.bias));
}

}  // namespace

Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias, double eps,
                    std::optional<DType> out_dtype) {
  auto out = ops::layer_norm(x.value(), weight.value(), bias.value(), eps, out_dtype);
  return record(
      "layer_norm", {x, weight, bias}, out.y,
      [&](Saver& save) {
        return LayerNormSaved{save(x.value()), save(weight.value()), save(out.mean), save(out.rstd)};
      },
      layer_norm_vjp);
}

}  // namespace rein
