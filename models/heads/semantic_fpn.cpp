#include "models/heads/semantic_fpn.h"

#include <limits>

#include "autograd/ops/elementwise/dropout.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/loss/loss.h"
#include "autograd/ops/sampling/resize.h"
#include "models/heads/feature_pyramid.h"
#include "tensor/error.h"
#include "tensor/ops/loss/cross_entropy.h"

namespace rein::models {
namespace {

constexpr std::size_t levels = 4;
constexpr double f32_epsilon = std::numeric_limits<float>::epsilon();

Variable resize_to(const Variable& x, std::int64_t height, std::int64_t width,
                   ops::Interpolation mode = ops::Interpolation::bilinear) {
  if (x.size(1) == height && x.size(2) == width) return x;
  return resize(x, ops::to_size(height, width, mode));
}

nn::Conv2dOptions lateral_options(const SemanticFpnOptions& o, std::size_t level) {
  const std::int64_t in = o.level_channels.empty() ? o.in_channels : o.level_channels[level];
  return {.in = in, .out = o.fpn_channels, .bias = o.neck_bias, .weight_init = nn::xavier_uniform(in, o.fpn_channels)};
}

nn::Conv2dOptions fpn_options(const SemanticFpnOptions& o) {
  return {.in = o.fpn_channels,
          .out = o.fpn_channels,
          .kernel = 3,
          .padding = 1,
          .bias = o.neck_bias,
          .weight_init = nn::xavier_uniform(9 * o.fpn_channels, 9 * o.fpn_channels)};
}

nn::Conv2dOptions head_options(const SemanticFpnOptions& o, std::int64_t in) {
  return {.in = in,
          .out = o.head_channels,
          .kernel = 3,
          .padding = 1,
          .bias = false,
          .weight_init = nn::kaiming_normal(9 * o.head_channels)};
}

}  // namespace

ConvGn::ConvGn(const nn::Conv2dOptions& options, std::int64_t groups) : conv_(options) {
  child("conv", conv_);
  if (groups > 0) child("gn", gn_.emplace(groups, options.out));
}

Variable ConvGn::operator()(const Variable& x) const {
  return norm(conv_(x));
}
Variable ConvGn::norm(const Variable& x) const {
  return gn_ ? (*gn_)(x) : x;
}

FpnNeck::FpnNeck(const SemanticFpnOptions& options) : factors_(options.factors) {
  require(factors_.size() == levels, "semantic_fpn", "needs ", levels, " factors, got ", factors_.size());
  require(options.level_channels.empty() || options.level_channels.size() == levels, "semantic_fpn", "needs ", levels,
          " level_channels, got ", options.level_channels.size());
  const std::int64_t groups = options.neck_norm ? options.neck_groups : 0;
  for (std::size_t i = 0; i < levels; ++i) {
    child(concat_text("lateral_convs.", i), lateral_convs_.emplace_back(lateral_options(options, i), groups));
  }
  for (std::size_t i = 0; i < levels; ++i) {
    child(concat_text("fpn_convs.", i), fpn_convs_.emplace_back(fpn_options(options), groups));
  }
}

std::vector<Variable> FpnNeck::operator()(const std::vector<Variable>& features) const {
  require(features.size() == levels, "semantic_fpn", "needs ", levels, " maps, got ", features.size());
  std::vector<Variable> maps;
  for (std::size_t i = 0; i < levels; ++i) {
    const ConvGn& lateral = lateral_convs_[i];
    maps.push_back(lateral.norm(resize_and_project(features[i], factors_[i], lateral.conv())));
  }
  for (std::size_t i = levels - 1; i > 0; --i) {
    const Variable& fine = maps[i - 1];
    maps[i - 1] = add(fine, resize_to(maps[i], fine.size(1), fine.size(2), ops::Interpolation::nearest));
  }
  for (std::size_t i = 0; i < levels; ++i) maps[i] = fpn_convs_[i](maps[i]);
  return maps;
}

FpnHead::FpnHead(const SemanticFpnOptions& options)
    : dropout_(options.dropout),
      conv_seg_({.in = options.head_channels, .out = options.classes, .weight_init = nn::Init::normal(0.01)}) {
  // mmseg's order: the classifier is made before the branches.
  child("conv_seg", conv_seg_);
  for (std::size_t level = 0; level < levels; ++level) {
    std::deque<ConvGn>& convs = scale_heads_.emplace_back();
    const std::size_t count = level == 0 ? 1 : level;
    for (std::size_t j = 0; j < count; ++j) {
      const std::int64_t in = j == 0 ? options.fpn_channels : options.head_channels;
      child(concat_text("scale_heads.", level, ".", 2 * j),
            convs.emplace_back(head_options(options, in), options.head_groups));
    }
  }
}

Variable FpnHead::branch(std::size_t level, Variable x) const {
  for (const ConvGn& conv : scale_heads_[level]) {
    x = relu(conv(x));
    if (level > 0) x = resize_to(x, 2 * x.size(1), 2 * x.size(2));
  }
  return x;
}

Variable FpnHead::operator()(const std::vector<Variable>& pyramid, const nn::ForwardContext& context) const {
  require(pyramid.size() == levels, "semantic_fpn", "needs ", levels, " maps, got ", pyramid.size());
  Variable sum = branch(0, pyramid[0]);
  for (std::size_t i = 1; i < levels; ++i) {
    sum = add(sum, resize_to(branch(i, pyramid[i]), sum.size(1), sum.size(2)));
  }
  if (context.training && dropout_ > 0) {
    sum = dropout_channels(sum, dropout_, {.key = key(context), .first_sample = context.first_sample});
  }
  return conv_seg_(sum);
}

SemanticFpn::SemanticFpn(const SemanticFpnOptions& options) : options_(options), neck_(options), decode_head_(options) {
  child("neck", neck_);
  child("decode_head", decode_head_);
}

Variable SemanticFpn::logits(const HeadInput& input, const nn::ForwardContext& context) const {
  return decode_head_(neck_(input.features), context);
}

Losses SemanticFpn::loss(const HeadInput& input, const Tensor& labels, const LossScope& scope,
                         const nn::ForwardContext& context) const {
  SegmentationLoss result = segmentation_loss(logits(input, context), labels, scope);
  return {{{"loss_ce", result.loss}}, result.loss, result.hits, {}};
}

Variable SemanticFpn::scores(const HeadInput& input, std::int64_t height, std::int64_t width,
                             const nn::ForwardContext& context) const {
  return resize_to(logits(input, context), height, width);
}

SegmentationLoss segmentation_loss(const Variable& logits, const Tensor& labels, const LossScope& scope) {
  require(labels && labels.rank() == 3 && labels.size(0) == logits.size(0), "segmentation_loss",
          "labels must be (N, H, W) for logits ", logits.shape(), ", got ", labels.shape());
  const Variable full = resize_to(logits, labels.size(1), labels.size(2));
  const std::int64_t pixels = scope.total_pixels > 0 ? scope.total_pixels : labels.count();
  const Tensor there = labels.to(full.value().device());
  SegmentationLoss result{cross_entropy(full, there, static_cast<double>(pixels) + f32_epsilon), {}};
  result.hits = ops::count_hits(full.value(), there, ignore_label);
  return result;
}

}  // namespace rein::models
