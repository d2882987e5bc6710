#include "nn/mlp.h"

#include "autograd/ops/elementwise/elementwise.h"

namespace rein::nn {
namespace {

const Init small = Init::normal(0.02);
const Init zero = Init::constant(0);

}  // namespace

Mlp::Mlp(std::int64_t dim, std::int64_t hidden, Activation activation)
    : activation_(activation), fc1_(dim, hidden, true, small, zero), fc2_(hidden, dim, true, small, zero) {
  child("fc1", fc1_);
  child("fc2", fc2_);
}

Variable Mlp::operator()(const Variable& x, const BlockSite& site) const {
  Variable h = site.linear(LinearSite::fc1, x, fc1_(x));
  h = activation_ == Activation::gelu ? gelu(h) : quick_gelu(h);
  return site.linear(LinearSite::fc2, h, fc2_(h));
}

SwiGlu::SwiGlu(std::int64_t dim, std::int64_t hidden, std::optional<double> norm_eps)
    : w12_(dim, 2 * hidden, true, small, zero), w3_(hidden, dim, true, small, zero) {
  child("w12", w12_);
  if (norm_eps) child("norm", norm_.emplace(hidden, *norm_eps));
  child("w3", w3_);
}

Variable SwiGlu::operator()(const Variable& x, const BlockSite& site) const {
  const Variable packed = site.linear(LinearSite::fc1, x, w12_(x));
  const bool bf16 = packed.dtype() == DType::bf16;
  Variable h = swiglu(packed, bf16 && norm_ ? DType::f32 : packed.dtype());  // the norm takes f32
  if (norm_) h = (*norm_)(h, bf16 ? DType::bf16 : h.dtype());
  return site.linear(LinearSite::fc2, h, w3_(h));
}

}  // namespace rein::nn
