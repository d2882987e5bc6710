#include "tensor/ops/norm/group_norm.h"
#include "autograd/ops/norm/norm.h"
#include "autograd/record.h"

namespace rein {
namespace {

// LayerNorm's derivation with the mean taken over the pixels and channels of an image's group. With
// xhat = (x - mean) rstd and g = grad_out * weight:
//   grad_x      = rstd (g - mean(g) - xhat mean(g xhat))
//   grad_weight = sum over images and pixels of grad_out xhat, per channel
//   grad_bias   = the same sum of grad_out
struct GroupNormSaved {
  SavedTensor x, weight, mean, rstd;
};

void group_norm_vjp(const GroupNormSaved& s, GradContext& g) {
  auto grads = ops::group_norm_backward(g.out(), s.x.get(), s.weight.get(), s.mean.get(), s.rstd.get(),
                                        {.x = g.wants(0), .weight = g.wants(1), .bias = g.wants(2)});
  g.set(0, std::move(grads.x));
  g.set(1, std::move(grads.weight));
  g.set(2, std::move(grads.bias));
}

}  // namespace

Variable group_norm(const Variable& x, const Variable& weight, const Variable& bias, std::int64_t groups, double eps) {
  auto out = ops::group_norm(x.value(), weight.value(), bias.value(), groups, eps);
  return record(
      "group_norm", {x, weight, bias}, out.y,
      [&](Saver& save) {
        return GroupNormSaved{save(x.value()), save(weight.value()), save(out.mean), save(out.rstd)};
      },
      group_norm_vjp);
}

}  // namespace rein
