#include "models/heads/transformer_decoder.h"

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/recompute.h"
#include "tensor/error.h"

namespace rein::models {
namespace {

constexpr double norm_eps = 1e-5;

// position (Q, dim) serves all images.
Variable with_position(const Variable& x, const Variable& position) {
  return position.shape().rank() == x.shape().rank() ? add(x, position) : add_broadcast(x, position);
}

}  // namespace

DecoderLayer::DecoderLayer(const TransformerDecoderOptions& options)
    : cross_attn_(options.dim, options.heads),
      self_attn_(options.dim, options.heads),
      ffn_(options.dim, options.ffn_channels) {
  child("self_attn.attn", self_attn_);
  child("cross_attn.attn", cross_attn_);
  child("ffn", ffn_);
  for (int i = 0; i < 3; ++i) child(concat_text("norms.", i), norms_.emplace_back(options.dim, norm_eps));
}

Variable DecoderLayer::operator()(const Variable& x, const Variable& position, const DecoderLevel& level,
                                  const Tensor& blocked) const {
  Variable y = norms_[0](add(x, cross_attn_(with_position(x, position), level.key, level.value, blocked)));
  const Variable query = with_position(y, position);
  y = norms_[1](add(y, self_attn_(query, query, y)));
  return norms_[2](ffn_(y));
}

TransformerDecoder::TransformerDecoder(const TransformerDecoderOptions& options) : post_norm_(options.dim, norm_eps) {
  // A number from outside must not decide how many layers are made without a bound.
  require(options.layers >= 0 && options.layers <= 1000, "transformer_decoder", "layers must be 0 to 1000, got ",
          options.layers);
  for (std::int64_t i = 0; i < options.layers; ++i) child(concat_text("layers.", i), layers_.emplace_back(options));
  child("post_norm", post_norm_);
}

std::vector<Variable> TransformerDecoder::operator()(Variable x, const Variable& position,
                                                     const std::vector<DecoderLevel>& levels, const MaskOf& mask_of,
                                                     bool recompute) const {
  require(!levels.empty(), "transformer_decoder", "needs at least one level");
  std::vector<Variable> states = {post_norm_(x)};
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const DecoderLevel& level = levels[i % levels.size()];
    const Tensor blocked = mask_of(static_cast<std::int64_t>(i), states.back());
    const DecoderLayer& layer = layers_[i];
    if (recompute) {
      const auto body = [&layer, blocked](std::span<const Variable> in) {
        return std::vector{layer(in[0], in[1], {in[2], in[3]}, blocked)};
      };
      x = rein::recompute(body, {x, position, level.key, level.value})[0];
    } else {
      x = layer(x, position, level, blocked);
    }
    states.push_back(post_norm_(x));
  }
  return states;
}

}  // namespace rein::models
