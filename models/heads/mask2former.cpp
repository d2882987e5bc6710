#include "models/heads/mask2former.h"

#include <algorithm>
#include <array>
#include <utility>

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/matmul/matmul.h"
#include "autograd/ops/sampling/resize.h"
#include "autograd/ops/shape/shape.h"
#include "models/heads/sine_position.h"
#include "tensor/cpu_features.h"
#include "tensor/error.h"
#include "tensor/ops/attention/attention_mask.h"
#include "tensor/ops/matmul/gemm.h"

namespace rein::models {
namespace {

constexpr std::int64_t level_count = 3;

PixelDecoderOptions pixel_options(const Mask2FormerOptions& o) {
  PixelDecoderOptions p;
  p.in_channels = o.level_channels.empty() ? std::vector<std::int64_t>(4, o.in_channels) : o.level_channels;
  p.factors = o.factors;
  p.feat_channels = o.feat_channels;
  p.out_channels = o.out_channels;
  p.heads = o.pixel_heads;
  p.points = o.pixel_points;
  p.layers = o.pixel_layers;
  p.ffn_channels = o.pixel_ffn;
  p.gn_groups = o.gn_groups;
  return p;
}

// (N, Q, C) x (N, h, w, C) -> (N, Q, h*w): every query's embedding against every pixel.
Tensor dot_pixels(const Tensor& embeddings, const Tensor& map) {
  return ops::matmul(embeddings, map.view({map.size(0), map.size(1) * map.size(2), map.size(3)}), false, true);
}

// The mask of the next decoder layer. Resize and the product with the embeddings commute (both are linear), so the
// mask features are resized once per level, instead of Q masks of full size before every layer.
// REIN_KERNEL=attention_mask:reference keeps the official order.
class MaskMaker {
 public:
  MaskMaker(Variable mask_features, const std::vector<Variable>& memories)
      : features_(std::move(mask_features)), reference_(forced_kernel("attention_mask") == "reference") {
    const NoGrad no_grad;
    for (std::size_t i = 0; i < level_count; ++i) {
      sizes_[i] = ops::to_size(memories[i].size(1), memories[i].size(2));
      if (!reference_) resized_[i] = ops::resize(features_.value(), sizes_[i]);
    }
  }

  Tensor operator()(std::size_t level, const Tensor& embeddings) const {
    if (!reference_) return ops::blocked_where_negative(dot_pixels(embeddings, resized_[level]));
    const Tensor& map = features_.value();
    const std::int64_t n = embeddings.size(0), q = embeddings.size(1);
    const Tensor masks = dot_pixels(embeddings, map).view({n * q, map.size(1), map.size(2), 1});
    return ops::blocked_where_negative(ops::resize(masks, sizes_[level]))
        .view({n, q, sizes_[level].height * sizes_[level].width});
  }

 private:
  Variable features_;
  bool reference_;
  std::array<ops::ResizeOptions, level_count> sizes_;
  std::array<Tensor, level_count> resized_;
};

}  // namespace

Variable Mask2FormerOutput::mask_logits(std::size_t prediction) const {
  const Variable& e = embeddings.at(prediction);
  const std::int64_t n = mask_features.size(0), h = mask_features.size(1), w = mask_features.size(2);
  const Variable pixels = view(mask_features, {n, h * w, mask_features.size(3)});
  return view(matmul(e, pixels, false, true, products), {n, e.size(1), h, w});
}

Mask2FormerNet::Mask2FormerNet(const Mask2FormerOptions& options)
    : options_(options),
      pixel_decoder_(pixel_options(options)),
      transformer_decoder_({.layers = options.decoder_layers,
                            .dim = options.feat_channels,
                            .heads = options.decoder_heads,
                            .ffn_channels = options.decoder_ffn}),
      cls_embed_(options.feat_channels, options.classes + 1) {
  const std::int64_t d = options.feat_channels;
  const nn::Init standard_normal = nn::Init::normal(1);
  child("pixel_decoder", pixel_decoder_);
  child("transformer_decoder", transformer_decoder_);
  if (!options.rein_queries) query_embed_ = &declare("query_embed.weight", {options.queries, d}, standard_normal);
  if (options.rein_queries && options.replace_query_feat)
    child("querys2feat", querys2feat_.emplace(d, d));
  else
    query_feat_ = &declare("query_feat.weight", {options.queries, d}, standard_normal);
  level_embed_ = &declare("level_embed.weight", {level_count, d}, standard_normal);
  child("cls_embed", cls_embed_);
  for (int i = 0; i < 3; ++i)
    child(concat_text("mask_embed.", 2 * i), mask_embed_.emplace_back(d, i < 2 ? d : options.out_channels));
}

Variable Mask2FormerNet::embedding(const Variable& state) const {
  return mask_embed_[2](relu(mask_embed_[1](relu(mask_embed_[0](state)))));
}

// Values carry the level's embedding but no position; keys carry both.
std::vector<DecoderLevel> Mask2FormerNet::levels_of(const std::vector<Variable>& memories) const {
  const std::vector<Variable> embeddings = split_rows(level_embed_->value, {1, 1, 1});
  std::vector<DecoderLevel> levels;
  for (std::size_t i = 0; i < level_count; ++i) {
    const std::int64_t n = memories[i].size(0), h = memories[i].size(1), w = memories[i].size(2);
    const std::int64_t d = options_.feat_channels;
    const Variable value = add_broadcast(view(memories[i], {n, h * w, d}), view(embeddings[i], {d}));
    levels.push_back(
        {add_broadcast(value, constant(sine_position(h, w, d, value.dtype(), value.value().device()))), value});
  }
  return levels;
}

Mask2FormerOutput Mask2FormerNet::operator()(const HeadInput& input, bool every, const AttentionMaskHook& hook) const {
  require(!options_.rein_queries || static_cast<bool>(input.queries), "mask2former",
          "this head takes its queries from the adapter, which gave none");
  PixelDecoderOut pixels = pixel_decoder_(input.features, options_.recompute);
  const std::vector<DecoderLevel> levels = levels_of(pixels.memories);
  const std::int64_t n = pixels.mask_features.size(0), d = options_.feat_channels;

  const Variable position = options_.rein_queries ? input.queries : query_embed_->value;
  const bool batched = position.shape().rank() == 3;
  require(position.size(-1) == d && position.size(-2) == options_.queries && (!batched || position.size(0) == n),
          "mask2former", "queries must be (", options_.queries, ", ", d, ") or (", n, ", ", options_.queries, ", ", d,
          "), got ", position.shape());
  Variable content = querys2feat_ ? (*querys2feat_)(position) : query_feat_->value;
  if (content.shape().rank() == 2) content = expand(view(content, {1, content.size(0), d}), n);

  Mask2FormerOutput out;
  out.mask_features = pixels.mask_features;
  out.products = mask_embed_.back().weight().products();
  const MaskMaker mask_maker(pixels.mask_features, pixels.memories);
  const auto mask_of = [&](std::int64_t layer, const Variable& state) {
    out.embeddings.push_back(embedding(state));
    Tensor blocked = mask_maker(static_cast<std::size_t>(layer % level_count), out.embeddings.back().value());
    if (hook) blocked = hook(layer, blocked);
    const ops::OpenedMask mask = ops::open_blocked_rows(blocked);
    out.opened.push_back(mask.opened_rows);
    return mask.blocked;
  };
  const std::vector<Variable> states = transformer_decoder_(content, position, levels, mask_of, options_.recompute);
  out.embeddings.push_back(embedding(states.back()));
  for (std::size_t i = every ? 0 : states.size() - 1; i < states.size(); ++i) out.cls.push_back(cls_embed_(states[i]));
  return out;
}

}  // namespace rein::models
