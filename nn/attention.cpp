#include "nn/attention.h"

#include "autograd/ops/attention.h"
#include "tensor/error.h"

namespace rein::nn {

Attention::Attention(std::int64_t dim, std::int64_t heads, bool qkv_bias)
    : heads_(heads),
      qkv_(dim, 3 * dim, qkv_bias, Init::normal(0.02), Init::constant(0)),
      proj_(dim, dim, true, Init::normal(0.02), Init::constant(0)) {
  require(heads >= 1 && dim % heads == 0, "attention", "the width must be a multiple of the heads, got ", dim, " and ",
          heads);
  child("qkv", qkv_);
  child("proj", proj_);
}

Variable Attention::operator()(const Variable& x, const BlockSite& site) const {
  const Variable qkv = site.linear(LinearSite::qkv, x, qkv_(x));
  const Variable mixed = attention_packed(qkv, {.heads = heads_, .scale = 0, .blocked = {}});
  return site.linear(LinearSite::proj, mixed, proj_(mixed));
}

}  // namespace rein::nn
