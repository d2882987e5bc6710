// Self-attention of a ViT block, with one fused projection to queries, keys and values. A rotary table in the site
// turns the patches' queries and keys, after the biases and before the scale.
#pragma once

#include <optional>

#include "nn/hooks.h"
#include "nn/linear.h"

namespace rein::nn {

// Which of q, k and v are shifted. qv: names q_bias and v_bias instead of qkv.bias, and no bias for k (whose gradient
// would be zero: it shifts all logits of a query alike).
enum class QkvBias { none, qkv, qv };

// Names qkv.{weight,bias} with rows [q; k; v], each in head order, and proj.{weight,bias}.
class Attention final : public Module {
 public:
  Attention(std::int64_t dim, std::int64_t heads, QkvBias bias = QkvBias::qkv);
  Variable operator()(const Variable& x, const BlockSite& site = {}) const;  // (N, L, dim)
  // As Linear's: given a bf16 x where it says so, everything up to the result is bf16.
  std::optional<DType> input_dtype() const;

 private:
  Variable project(const Variable& x) const;

  std::int64_t dim_, heads_;
  Linear qkv_;
  Param* q_bias_ = nullptr;
  Param* v_bias_ = nullptr;
  Linear proj_;
};

}  // namespace rein::nn
