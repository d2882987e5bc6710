#include "nn/attention.h"

#include "autograd/ops/attention/attention.h"
#include "autograd/ops/attention/rope.h"
#include "autograd/ops/shape/shape.h"
#include "tensor/error.h"
#include "tensor/ops/attention/attention.h"

namespace rein::nn {

Attention::Attention(std::int64_t dim, std::int64_t heads, QkvBias bias)
    : dim_(dim),
      heads_(heads),
      qkv_(dim, 3 * dim, bias == QkvBias::qkv, Init::normal(0.02), Init::constant(0)),
      proj_(dim, dim, true, Init::normal(0.02), Init::constant(0)) {
  require(heads >= 1 && dim % heads == 0, "attention", "the width must be a multiple of the heads, got ", dim, " and ",
          heads);
  if (bias == QkvBias::qv) {
    q_bias_ = &declare("q_bias", Shape{dim}, Init::constant(0));
    v_bias_ = &declare("v_bias", Shape{dim}, Init::constant(0));
  }
  child("qkv", qkv_);
  child("proj", proj_);
}

Variable Attention::project(const Variable& x) const {
  if (q_bias_ == nullptr) return qkv_(x);
  const Variable none = constant(Tensor::zeros_like(q_bias_->value.value()));
  return qkv_(x, concat({q_bias_->value, none, v_bias_->value}, 0));
}

std::optional<DType> Attention::input_dtype() const {
  if (dim_ / heads_ > ops::attention_bf16_width) return {};
  return qkv_.input_dtype();
}

Variable Attention::operator()(const Variable& x, const BlockSite& site) const {
  Variable qkv = site.linear(LinearSite::qkv, x, project(x));
  if (site.rope) qkv = rope(qkv, site.rope, 2 * dim_);
  const Variable mixed = attention_packed(qkv, {.heads = heads_, .scale = 0, .blocked = {}});
  return site.linear(LinearSite::proj, mixed, proj_(mixed));
}

}  // namespace rein::nn
