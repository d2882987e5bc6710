#include "models/segmentor.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "autograd/ops/shape/shape.h"
#include "nn/bind.h"
#include "tensor/error.h"

namespace rein::models {
namespace {

SegmentorOptions resolved(SegmentorOptions options, const Adapter* adapter) {
  if (options.head.in_channels == 0) options.head.in_channels = options.vit.dim;
  Mask2FormerOptions& m = options.mask2former;
  if (m.in_channels == 0) m.in_channels = options.vit.dim;
  m.recompute = m.recompute || options.recompute;
  m.rein_queries = adapter != nullptr && adapter->query_count() > 0;
  if (m.rein_queries) m.queries = adapter->query_count();
  return options;
}

std::unique_ptr<Head> head_of(const SegmentorOptions& options) {
  if (options.head_kind == HeadKind::mask2former) return std::make_unique<Mask2Former>(options.mask2former);
  return std::make_unique<SemanticFpn>(options.head);
}

std::unique_ptr<Adapter> adapter_of(const SegmentorOptions& options) {
  if (!options.method.adapter) return nullptr;
  std::optional<std::int64_t> query_width;
  if (options.head_kind == HeadKind::mask2former) query_width = options.mask2former.feat_channels;
  return options.method.adapter(options.vit, query_width);
}

}  // namespace

HeadKind head_kind_of(const std::string& name) {
  for (const HeadKind kind : {HeadKind::semantic_fpn, HeadKind::mask2former}) {
    if (name_of(kind) == name) return kind;
  }
  fail("segmentor", "head must be semantic_fpn or mask2former, got \"", name, "\"");
}

std::string name_of(HeadKind kind) {
  return kind == HeadKind::mask2former ? "mask2former" : "semantic_fpn";
}

Segmentor::Segmentor(const SegmentorOptions& options) : Segmentor(options, adapter_of(options)) {}

Segmentor::Segmentor(const SegmentorOptions& options, std::unique_ptr<Adapter> adapter)
    : options_(resolved(options, adapter.get())),
      backbone_({.vit = options.vit, .out_indices = options.out_indices, .recompute = options.recompute},
                std::move(adapter)),
      head_(head_of(options_)) {
  options_.out_indices = backbone_.options().out_indices;
  child("backbone", backbone_);
  child("", *head_);
  if (!options_.method.trains_backbone) backbone_.freeze_vit();
  name_tree();
}

void Segmentor::use_bf16() {
  require(!options_.method.trains_backbone, "segmentor",
          "bf16 is for a frozen backbone: with method full its weights are trained, and would lose bits");
  nn::round_frozen_products(*this);
  nn::set_precision(*this, nn::Precision::tf32);  // the head's, and the patch embedding's
  if (backbone_.adapter() != nullptr) nn::set_precision(*backbone_.adapter(), nn::Precision::bf16);
  mixed_ = true;
}

std::string Segmentor::products_text() const {
  if (!mixed_) return "f32";
  if (device_.is_cpu()) return "bf16 with frozen weights, f32 else";
  return backbone_.adapter() != nullptr ? "bf16 in blocks and adapter, TF32 in the head"
                                        : "bf16 in blocks, TF32 in the head";
}

void Segmentor::move_to(Device device) {
  nn::move_to(*this, device);
  device_ = device;
}

HeadInput Segmentor::features(const Variable& images, const nn::ForwardContext& context) const {
  BackboneOutput out = backbone_.forward(images, context);
  return {std::move(out.features), std::move(out.queries)};
}

Losses Segmentor::loss(const nn::ForwardContext& context, const Tensor& images, const Tensor& labels,
                       const LossScope& scope) const {
  Losses losses = head_->loss(features(constant(images.to(device_)), context), labels, scope, context);
  for (auto& term : losses.terms) term.first = "decode." + term.first;
  return losses;
}

Tensor Segmentor::scores(const Tensor& images) const {
  const NoGrad no_grad;
  const nn::ForwardContext context;
  const std::int64_t height = images.size(1), width = images.size(2), p = options_.vit.patch;
  // At least two patches a side: heads read a map at half the backbone's resolution.
  const auto missing = [p](std::int64_t side) { return std::max(2 * p, (side + p - 1) / p * p) - side; };
  const std::int64_t below = missing(height), right = missing(width);
  Variable whole = constant(images.to(device_));
  const auto zeros = [&](const Shape& shape) { return constant(Tensor::zeros(shape, images.dtype(), device_)); };
  if (below > 0) whole = concat({whole, zeros(images.shape().with(1, below))}, 1);
  if (right > 0) whole = concat({whole, zeros(whole.shape().with(2, right))}, 2);
  Variable scores = head_->scores(features(whole, context), height + below, width + right, context);
  if (below > 0) scores = slice(scores, 1, 0, height);
  if (right > 0) scores = slice(scores, 2, 0, width);
  return scores.value();
}

}  // namespace rein::models
