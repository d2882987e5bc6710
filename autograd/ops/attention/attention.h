// Differentiable attention: one door for all users. Contract: tensor/ops/attention/attention.h.
#pragma once

#include "autograd/variable.h"

namespace rein {

struct AttentionOptions {
  std::int64_t heads = 1;
  double scale = 0;  // of the logits; 0 means 1 / sqrt(head width)
  // u8 (N, Lq, Lk), 1 = blocked, shared by all heads; null: none. A row with all keys blocked is an error of the caller
  // (its softmax is empty): open it first.
  Tensor blocked{};
  // Decomposed relative positions, both or none: (2 h - 1, d) and (2 w - 1, d) for queries and keys that are one map of
  // h x w places. Differentiable.
  Variable rel_height{}, rel_width{};
};

// q (N, Lq, heads*d), k (N, Lk, heads*d), v (N, Lk, heads*dv) -> (N, Lq, heads*dv). Heads are consecutive channel
// groups. Equal PyTorch call: scaled_dot_product_attention per head. Never forms the Lq x Lk matrix; saves out and
// log-sum-exp.
Variable attention(const Variable& q, const Variable& k, const Variable& v, const AttentionOptions& options);
// The same with q, k, v as the three thirds of qkv (N, L, 3*heads*d), in that order; the gradient is one packed buffer.
Variable attention_packed(const Variable& qkv, const AttentionOptions& options);

}  // namespace rein
