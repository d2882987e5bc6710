// Self-attention of a ViT block, with one fused projection to queries, keys and values.
#pragma once

#include "nn/hooks.h"
#include "nn/linear.h"

namespace rein::nn {

// Names qkv.{weight,bias} with rows [q; k; v], each in head order, and proj.{weight,bias}.
class Attention final : public Module {
 public:
  Attention(std::int64_t dim, std::int64_t heads, bool qkv_bias = true);
  Variable operator()(const Variable& x, const BlockSite& site = {}) const;  // (N, L, dim)

 private:
  std::int64_t heads_;
  Linear qkv_;
  Linear proj_;
};

}  // namespace rein::nn
