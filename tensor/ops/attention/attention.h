// Scaled dot-product attention, one door for all users: out = softmax(scale * q k^T, blocked keys at -inf) v per head.
// Equal PyTorch call: torch.nn.functional.scaled_dot_product_attention per head, attn_mask = ~blocked.
// The Lq x Lk matrix is never formed: blocks of queries meet the keys in scratch memory of the size of a cache, and
// backward recomputes the probabilities from the log-sum-exp (FlashAttention: Dao et al. 2022, arXiv:2205.14135).
// Gradients are sums in a fixed order: the same bits for any number of threads. Numerics: f32 or f64, accumulations in
// the same type, max subtraction. NaN propagates to what it touches. A query with all keys blocked has no softmax: its
// output is NaN. On CUDA q, k and v may be bf16, as out and the gradients then are: products of tensor cores with f32
// sums, heads of at most 128 columns, no relative positions; probabilities are rounded to bf16 before they meet values.
// REIN_KERNEL=attention:reference takes the plain loops of attention_reference.cpp, which do form the matrix (on the
// CPU).
#pragma once

#include "tensor/rows.h"

namespace rein::ops {

inline constexpr std::int64_t attention_bf16_width = 128;  // of a head, the largest in bf16

struct AttentionOptions {
  std::int64_t heads = 1;
  double scale = 0;  // of the logits; 0 means 1 / sqrt(head width)
  Tensor blocked{};  // u8 (N, Lq, Lk), not 0 = blocked, shared by all heads; null: none
  // Decomposed relative positions (SAM), both tables or none, shared by all heads. Queries and keys then are one map of
  // h x w places, row-major, and query (i, j) and key (k, l) add to their logit
  //   q . rel_height[i - k + h - 1] + q . rel_width[j - l + w - 1]   with q unscaled.
  Tensor rel_height{};  // (2 h - 1, d)
  Tensor rel_width{};   // (2 w - 1, d)
};

struct AttentionOut {
  Tensor out;          // (N, Lq, heads * dv)
  Tensor log_sum_exp;  // (N, heads, Lq), of the scaled logits; f32 when out is bf16
};

// q: N x (Lq, heads * d), k: N x (Lk, heads * d), v: N x (Lk, heads * dv), each a column range of any tensor (a packed
// qkv among them); heads are consecutive column groups. Lk must be at least 1.
AttentionOut attention(const Rows& q, const Rows& k, const Rows& v, const AttentionOptions& options);

// Where the gradients go; a null one is not wanted. Rows may be column ranges of one packed tensor.
struct AttentionGrads {
  Rows q, k, v;
  Tensor rel_height{}, rel_width{};  // both or none
};
// grad_out like out.out; q, k, v and options as given to attention, out as made by it.
void attention_backward(const Tensor& grad_out, const Rows& q, const Rows& k, const Rows& v, const AttentionOut& out,
                        const AttentionOptions& options, AttentionGrads grads);

}  // namespace rein::ops
