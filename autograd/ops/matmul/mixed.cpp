#include "autograd/ops/matmul/mixed.h"

#include "autograd/record.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"
#include "tensor/ops/elementwise/elementwise.h"
#include "tensor/ops/matmul/linear_bf16.h"

namespace rein {
namespace {

// Rounding counts as the identity: grad_x is grad_out in x's dtype.
struct CastSaved {
  DType x_dtype;
};

// grad in another dtype, added to what the input has already where that saves a pass over memory.
void send_cast(GradContext& g, int input, const Tensor& grad, DType dtype) {
  if (!g.wants(input)) return;
  const bool adds = grad.dtype() == DType::bf16 && dtype == DType::f32 && grad.device().is_cuda();
  Tensor sum = adds ? g.take(input) : Tensor{};
  if (!sum) return g.set(input, ops::cast(grad, dtype));
  ops::add_wide_into(sum, grad);
  g.set(input, std::move(sum));
}

void cast_vjp(const CastSaved& s, GradContext& g) {
  send_cast(g, 0, g.out(), s.x_dtype);
}

// y = x W^T + b (or x W), as linear; W and b are the rounded copies, their gradients go to the masters unrounded.
struct LinearBf16Saved {
  SavedTensor x, weight;
  bool trans_weight;
};

void linear_bf16_vjp(const LinearBf16Saved& s, GradContext& g) {
  auto grads = ops::linear_bf16_backward(g.out(), s.x.get(), s.weight.get(), s.trans_weight,
                                         {.x = g.wants(0), .weight = g.wants(1), .bias = g.wants(2)});
  g.set(0, std::move(grads.x));
  g.set(1, std::move(grads.weight));
  g.set(2, std::move(grads.bias));
}

// y = a + b: both get grad_out, each in its own dtype.
struct AddRoundedSaved {};

void add_rounded_vjp(const AddRoundedSaved&, GradContext& g) {
  if (g.wants(0)) g.set(0, g.out());
  send_cast(g, 1, g.out(), DType::f32);
}

}  // namespace

Variable cast(const Variable& x, DType dtype) {
  require(is_floating(x.dtype()) && is_floating(dtype), "cast", "on the tape takes floating numbers, got ",
          name_of(x.dtype()), " to ", name_of(dtype));
  if (x.dtype() == dtype) return x;
  return record(
      "cast", {x}, ops::cast(x.value(), dtype), [&](Saver&) { return CastSaved{x.dtype()}; }, cast_vjp);
}

Rounded rounded(const Variable& value) {
  if (!value) return {};
  return {value, ops::cast(value.value(), DType::bf16)};
}

Variable linear_bf16(const Variable& x, const Rounded& weight, bool trans_weight, const Rounded& bias, DType out) {
  require(!bias.master || !bias.master.requires_grad() || bias.master.dtype() == DType::f32, "linear_bf16",
          "a trained bias must be f32, got ", bias.master ? name_of(bias.master.dtype()) : "");
  require(!weight.master.requires_grad() || weight.master.dtype() == DType::f32, "linear_bf16",
          "a trained weight must be f32, got ", name_of(weight.master.dtype()));
  const Tensor b = !bias.master ? Tensor{} : out == DType::bf16 ? bias.bf16 : bias.master.value();
  return record(
      "linear_bf16", {x, weight.master, bias.master}, ops::linear_bf16(x.value(), weight.bf16, trans_weight, b, out),
      [&](Saver& save) {
        return LinearBf16Saved{save.when(save.wants(1), x.value()), save.when(save.wants(0), weight.bf16),
                               trans_weight};
      },
      linear_bf16_vjp);
}

Variable add_rounded(const Variable& a, const Variable& b) {
  return record(
      "add_rounded", {a, b}, ops::add_rounded(a.value(), b.value()), [&](Saver&) { return AddRoundedSaved{}; },
      add_rounded_vjp);
}

}  // namespace rein
