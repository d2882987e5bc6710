#include "tensor/ops/elementwise/residual.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/record.h"

namespace rein {
namespace {

// out[r][c] = x[r][c] + gamma[c] y[r][c]:
//   grad_x = grad_out,  grad_y = grad_out gamma,  grad_gamma[c] = sum over r of grad_out[r][c] y[r][c].
// y is kept only when gamma is trained.
struct ResidualSaved {
  SavedTensor y, gamma;
  DType y_dtype;
};

void residual_vjp(const ResidualSaved& s, GradContext& g) {
  g.set(0, g.out());
  if (!g.wants(1) && !g.wants(2)) return;
  auto grads = ops::residual_backward(g.out(), s.y.get(), s.gamma.get(),
                                      {.y = g.wants(1), .gamma = g.wants(2), .y_dtype = s.y_dtype});
  g.set(1, std::move(grads.y));
  g.set(2, std::move(grads.gamma));
}

// Rows from first_row on: out = x + s y, so grad_x = grad_out, grad_y = s grad_out, grad_s = sum of grad_out y.
// Rows before: out = x, so y gets 0 there and adds nothing to grad_s.
struct ScaledResidualSaved {
  SavedTensor y, scale;
  std::int64_t first_row;
  DType y_dtype;
};

void scaled_residual_vjp(const ScaledResidualSaved& s, GradContext& g) {
  g.set(0, g.out());
  if (!g.wants(1) && !g.wants(2)) return;
  auto grads = ops::scaled_residual_backward(g.out(), s.y.get(), s.scale.get(), s.first_row,
                                             {.y = g.wants(1), .scale = g.wants(2), .y_dtype = s.y_dtype});
  g.set(1, std::move(grads.y));
  g.set(2, std::move(grads.scale));
}

Tensor tensor_or_null(const Variable& v) {
  return v ? v.value() : Tensor{};
}

}  // namespace

Variable residual(const Variable& x, const Variable& y, const Variable& gamma) {
  return record(
      "residual", {x, y, gamma}, ops::residual(x.value(), y.value(), tensor_or_null(gamma)),
      [&](Saver& save) {
        return ResidualSaved{save.when(save.wants(2), y.value()), save(tensor_or_null(gamma)), y.dtype()};
      },
      residual_vjp);
}

Variable scaled_residual(const Variable& x, const Variable& y, const Variable& scale, std::int64_t first_row) {
  return record(
      "scaled_residual", {x, y, scale}, ops::scaled_residual(x.value(), y.value(), tensor_or_null(scale), first_row),
      [&](Saver& save) {
        return ScaledResidualSaved{save.when(save.wants(2), y.value()), save(tensor_or_null(scale)), first_row,
                                   y.dtype()};
      },
      scaled_residual_vjp);
}

}  // namespace rein
