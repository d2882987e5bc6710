// Mask2Former (Cheng et al., CVPR 2022), plain or with Rein's queries, as the official code computes it (golden README
// 6, 7, 11). Equal official modules: mmseg's Mask2FormerHead and Rein's ReinMask2FormerHead. Names under "decode_head":
// pixel_decoder.*, transformer_decoder.*, level_embed.weight, cls_embed, mask_embed.{0,2,4}; query_embed.weight and
// query_feat.weight (plain), querys2feat (Rein).
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "models/heads/head.h"
#include "models/heads/mask2former_loss.h"
#include "models/heads/pixel_decoder.h"
#include "models/heads/transformer_decoder.h"

namespace rein::models {

struct Mask2FormerOptions {
  std::int64_t in_channels = 0;                  // 0: taken from the ViT by Segmentor
  std::vector<std::int64_t> level_channels{};    // per map, when they differ; empty: in_channels for all
  std::vector<double> factors = {4, 2, 1, 0.5};  // of the backbone's maps; all 1 when they already are a pyramid
  std::int64_t feat_channels = 256;              // D
  std::int64_t out_channels = 256;               // of mask features and mask embeddings
  std::int64_t classes = 19;
  std::int64_t queries = 100;  // Q: rows of the tables, or queries that the adapter gives
  // The queries' positions are the adapter's queries (HeadInput::queries, (Q, D) or (N, Q, D)) instead of a table.
  bool rein_queries = false;       // set by Segmentor: Rein with link_token_to_query
  bool replace_query_feat = true;  // with rein_queries: the content is a linear layer of them, not a table
  std::int64_t pixel_layers = 6, pixel_heads = 8, pixel_points = 4, pixel_ffn = 1024, gn_groups = 32;
  std::int64_t decoder_layers = 9, decoder_heads = 8, decoder_ffn = 2048;
  bool recompute = false;         // run the layers of both transformers again in backward
  Mask2FormerLossOptions loss{};  // its `classes` is taken from above
};

// The predictions before the first decoder layer and after each: L + 1. Mask logits are made on demand, so that one
// prediction's can be gone before the next one's come, and a prediction that nobody asks for costs nothing.
struct Mask2FormerOutput {
  std::vector<Variable> cls;           // (N, Q, K + 1) logits; the last column is "no object"
  std::vector<Variable> embeddings;    // (N, Q, out_channels)
  Variable mask_features;              // (N, h, w, out_channels)
  Products products = Products::full;  // of mask_logits
  std::vector<Tensor> opened{};  // i64 () per decoder layer: queries whose mask blocked everything, and was opened

  Variable mask_logits(std::size_t prediction) const;  // (N, Q, h, w)
};

// Given decisions: called with the layer and the mask that it would use, u8 (N, Q, keys), before all-blocked rows are
// opened; returns the one to use. For recorded cases.
using AttentionMaskHook = std::function<Tensor(std::int64_t layer, const Tensor& blocked)>;

// The network: what the official checkpoint calls decode_head.
class Mask2FormerNet final : public nn::Module {
 public:
  explicit Mask2FormerNet(const Mask2FormerOptions& options);
  // `every`: class logits of all predictions; otherwise of the last one alone (inference).
  Mask2FormerOutput operator()(const HeadInput& input, bool every, const AttentionMaskHook& hook = {}) const;

 private:
  Variable embedding(const Variable& state) const;
  std::vector<DecoderLevel> levels_of(const std::vector<Variable>& memories) const;

  Mask2FormerOptions options_;
  PixelDecoder pixel_decoder_;
  TransformerDecoder transformer_decoder_;
  nn::Param* query_embed_ = nullptr;
  nn::Param* query_feat_ = nullptr;
  nn::Param* level_embed_;
  nn::Linear cls_embed_;
  std::deque<nn::Linear> mask_embed_;
  std::optional<nn::Linear> querys2feat_;
};

// What a recorded case fixes beside the points and assignments of each prediction.
struct Mask2FormerDecisions {
  AttentionMaskHook attention_mask{};
  std::vector<Mask2FormerForced> forced{};                                         // per prediction; empty: none
  std::function<void(std::size_t prediction, const Mask2FormerLoss& loss)> see{};  // called after each prediction
};

class Mask2Former final : public Head {
 public:
  explicit Mask2Former(const Mask2FormerOptions& options);

  // "d0.loss_cls", "d0.loss_mask", "d0.loss_dice", "d1.…", and those of the last prediction without prefix. The
  // accuracy is not computed: it stays 0 of 0.
  Losses loss(const HeadInput& input, const Tensor& labels, const LossScope& scope,
              const nn::ForwardContext& context) const override;
  // Sum over queries of softmax(cls)[class] * sigmoid(mask logits resized to the window); softmax over K + 1, "no
  // object" dropped and the rest NOT renormalised. Records nothing.
  Variable scores(const HeadInput& input, std::int64_t height, std::int64_t width,
                  const nn::ForwardContext& context) const override;
  std::int64_t classes() const override { return options_.classes; }
  bool needs_queries() const override { return options_.rein_queries; }
  LossScope scope(const Tensor& labels) const override;

  const Mask2FormerNet& net() const { return net_; }
  const Mask2FormerOptions& options() const { return options_; }
  // For recorded cases; applies to every later call.
  void decide(Mask2FormerDecisions decisions) { decisions_ = std::move(decisions); }
  const Mask2FormerDecisions& decisions() const { return decisions_; }

 private:
  Mask2FormerOptions options_;
  Mask2FormerNet net_;
  Mask2FormerDecisions decisions_;
};

}  // namespace rein::models
