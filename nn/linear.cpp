#include "nn/linear.h"

#include <cmath>

#include "autograd/ops/matmul.h"

namespace rein::nn {
namespace {

Init default_start(std::int64_t in) {
  return Init::uniform(1.0 / std::sqrt(static_cast<double>(in)));
}

}  // namespace

Linear::Linear(std::int64_t in, std::int64_t out, bool bias)
    : Linear(in, out, bias, default_start(in), default_start(in)) {}

Linear::Linear(std::int64_t in, std::int64_t out, bool bias, Init weight_init, Init bias_init) {
  weight_ = &declare("weight", Shape{out, in}, weight_init);
  if (bias) bias_ = &declare("bias", Shape{out}, bias_init);
}

Variable Linear::operator()(const Variable& x) const {
  return linear(x, weight_->value, bias_ == nullptr ? Variable{} : bias_->value);
}

Variable Linear::operator()(const Variable& x, const Variable& bias) const {
  return linear(x, weight_->value, bias);
}

}  // namespace rein::nn
