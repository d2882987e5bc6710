#include "nn/linear.h"

#include <cmath>

#include "autograd/ops/matmul/matmul.h"

namespace rein::nn {
namespace {

Init default_start(std::int64_t in) {
  return Init::uniform(1.0 / std::sqrt(static_cast<double>(in)));
}

}  // namespace

Linear::Linear(std::int64_t in, std::int64_t out, bool bias)
    : Linear(in, out, bias, default_start(in), default_start(in)) {}

Linear::Linear(std::int64_t in, std::int64_t out, bool bias, Init weight_init, Init bias_init) {
  weight_ = &declare("weight", Shape{out, in}, weight_init, Layout::linear);
  if (bias) bias_ = &declare("bias", Shape{out}, bias_init);
}

std::optional<DType> Linear::input_dtype() const {
  if (weight_->value.dtype() != DType::bf16 || !weight_->value.value().device().is_cuda()) return {};
  return DType::bf16;
}

Rounded Linear::kept_bias() const {
  if (bias_ == nullptr) return {};
  const Variable& bias = bias_->value;
  if (bias.requires_grad()) return rounded(bias);  // an optimiser writes into it
  return {bias, bf16_bias_.of(bias.value(), [&] { return rounded(bias).bf16; })};
}

Linear::RoundedParams Linear::rounded_params() const {
  return {rounded(weight_->value), kept_bias()};
}

Variable Linear::operator()(const Variable& x) const {
  if (x.dtype() == DType::bf16) return linear_bf16(x, rounded(weight_->value), true, kept_bias(), DType::bf16);
  return (*this)(x, bias_ == nullptr ? Variable{} : bias_->value);
}

Variable Linear::operator()(const Variable& x, const Variable& bias) const {
  const Variable& weight = weight_->value;
  if (x.dtype() == DType::bf16) return linear_bf16(x, rounded(weight), true, rounded(bias), DType::bf16);
  if (weight_->precision == Precision::bf16 && x.dtype() == DType::f32 && x.value().device().is_cuda())
    return linear_bf16(cast(x, DType::bf16), rounded(weight), true, {bias, {}}, DType::f32);
  return linear(x, weight, bias, weight_->products());
}

}  // namespace rein::nn
