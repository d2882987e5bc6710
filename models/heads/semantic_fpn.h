// Semantic FPN: an FPN neck and mmseg's FPNHead. Names under "neck" and "decode_head".
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "models/heads/head.h"
#include "nn/conv.h"
#include "nn/norm_layers.h"

namespace rein::models {

struct SemanticFpnOptions {
  std::int64_t in_channels = 0;                  // 0: taken from the ViT by Segmentor
  std::vector<std::int64_t> level_channels{};    // per map, when they differ; empty: in_channels for all
  std::vector<double> factors = {4, 2, 1, 0.5};  // of the backbone's maps; all 1 when they already are a pyramid
  std::int64_t fpn_channels = 256;
  bool neck_norm = false;  // GroupNorm after each convolution of the neck
  bool neck_bias = true;   // of its convolutions; official necks with norm have none
  std::int64_t neck_groups = 32;
  std::int64_t head_channels = 128;
  std::int64_t head_groups = 32;
  std::int64_t classes = 19;
  double dropout = 0.1;  // of whole channels, before the classifier
};

// A convolution ("conv"), optionally GroupNorm ("gn").
class ConvGn final : public nn::Module {
 public:
  ConvGn(const nn::Conv2dOptions& options, std::int64_t groups);  // groups 0: no norm
  Variable operator()(const Variable& x) const;
  const nn::Conv2d& conv() const { return conv_; }
  Variable norm(const Variable& x) const;  // the part after the convolution

 private:
  nn::Conv2d conv_;
  std::optional<nn::GroupNorm> gn_;
};

// lateral_convs.i (1x1), coarse added into fine (nearest), fpn_convs.i (3x3). No activation.
class FpnNeck final : public nn::Module {
 public:
  explicit FpnNeck(const SemanticFpnOptions& options);
  std::vector<Variable> operator()(const std::vector<Variable>& features) const;  // four (N, h_i, w_i, fpn_channels)

 private:
  std::vector<double> factors_;
  std::deque<ConvGn> lateral_convs_, fpn_convs_;
};

// scale_heads.i.2j (3x3 conv, GN, ReLU), each but the first followed by x2; all resized to level 0 and added; conv_seg.
class FpnHead final : public nn::Module {
 public:
  explicit FpnHead(const SemanticFpnOptions& options);
  Variable operator()(const std::vector<Variable>& pyramid, const nn::ForwardContext& context) const;  // (N, h0, w0, K)

 private:
  Variable branch(std::size_t level, Variable x) const;

  double dropout_;
  std::deque<std::deque<ConvGn>> scale_heads_;
  nn::Conv2d conv_seg_;
};

class SemanticFpn final : public Head {
 public:
  explicit SemanticFpn(const SemanticFpnOptions& options);

  Variable logits(const HeadInput& input, const nn::ForwardContext& context) const;  // (N, h0, w0, K)
  // "loss_ce": cross-entropy of the logits resized to the labels, divided by all pixels + F.
  Losses loss(const HeadInput& input, const Tensor& labels, const LossScope& scope,
              const nn::ForwardContext& context) const override;
  Variable scores(const HeadInput& input, std::int64_t height, std::int64_t width,
                  const nn::ForwardContext& context) const override;  // the logits, resized
  std::int64_t classes() const override { return options_.classes; }

  const FpnNeck& neck() const { return neck_; }
  const FpnHead& decode_head() const { return decode_head_; }

 private:
  SemanticFpnOptions options_;
  FpnNeck neck_;
  FpnHead decode_head_;
};

// Logits (N, h, w, K) against labels i64 (N, H, W), as mmseg's heads do it: resized, and the loss with its accuracy.
struct SegmentationLoss {
  Variable loss;
  Tensor hits;  // as in Losses
};
SegmentationLoss segmentation_loss(const Variable& logits, const Tensor& labels, const LossScope& scope);

}  // namespace rein::models
