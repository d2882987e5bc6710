// Mask2Former's transformer decoder: queries look at one level of the pixel decoder's memory per layer, through a mask
// made of their own prediction so far. Equal official module: mmdet's Mask2FormerTransformerDecoder inside
// Mask2FormerHead. Names as there: layers.i.{cross_attn.attn, self_attn.attn, ffn, norms.0-2}, post_norm.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "models/heads/pixel_decoder.h"  // Ffn
#include "nn/multihead_attention.h"
#include "nn/norm_layers.h"

namespace rein::models {

struct TransformerDecoderOptions {
  std::int64_t layers = 9;
  std::int64_t dim = 256, heads = 8, ffn_channels = 2048;
};

// One level of the memory, as keys and values: both (N, h*w, dim).
struct DecoderLevel {
  Variable key;    // value + its position
  Variable value;  // memory + the level's embedding
};

// x = norms.0(x + cross attention), norms.1(x + self attention), norms.2(x + FFN): cross-attention FIRST.
class DecoderLayer final : public nn::Module {
 public:
  explicit DecoderLayer(const TransformerDecoderOptions& options);
  // x (N, Q, dim); position (Q, dim) or (N, Q, dim), added to queries and keys of attention among queries and to the
  // queries of that to the level; blocked u8 (N, Q, h*w), no row of it blocked as a whole, or null.
  Variable operator()(const Variable& x, const Variable& position, const DecoderLevel& level,
                      const Tensor& blocked) const;

 private:
  nn::MultiheadAttention cross_attn_, self_attn_;
  Ffn ffn_;
  std::deque<nn::LayerNorm> norms_;
};

class TransformerDecoder final : public nn::Module {
 public:
  explicit TransformerDecoder(const TransformerDecoderOptions& options);

  // Called with post_norm(x) before layer `layer`: returns that layer's mask (see DecoderLayer).
  using MaskOf = std::function<Tensor(std::int64_t layer, const Variable& state)>;
  // post_norm(x) before the first layer and after each, layers + 1 in all. Layer i looks at levels[i % levels.size()].
  // `recompute`: backward runs each layer again instead of keeping what it saved.
  std::vector<Variable> operator()(Variable x, const Variable& position, const std::vector<DecoderLevel>& levels,
                                   const MaskOf& mask_of, bool recompute = false) const;

 private:
  std::deque<DecoderLayer> layers_;
  nn::LayerNorm post_norm_;
};

}  // namespace rein::models
