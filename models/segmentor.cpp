#include "models/segmentor.h"

#include <utility>

#include "autograd/ops/shape.h"
#include "tensor/error.h"

namespace rein::models {
namespace {

SegmentorOptions resolved(SegmentorOptions options) {
  if (options.head.in_channels == 0) options.head.in_channels = options.vit.dim;
  return options;
}

std::unique_ptr<Adapter> adapter_of(const SegmentorOptions& options) {
  if (options.method != Method::rein) return nullptr;
  return rein_for(options.vit, options.rein);
}

}  // namespace

Method method_of(const std::string& name) {
  for (const Method method : {Method::freeze, Method::full, Method::rein}) {
    if (name_of(method) == name) return method;
  }
  fail("segmentor", "method must be freeze, full or rein, got \"", name, "\"");
}

std::string name_of(Method method) {
  switch (method) {
    case Method::freeze:
      return "freeze";
    case Method::full:
      return "full";
    case Method::rein:
    default:
      return "rein";
  }
}

Segmentor::Segmentor(const SegmentorOptions& options)
    : options_(resolved(options)),
      backbone_({.vit = options.vit, .out_indices = options.out_indices, .recompute = options.recompute},
                adapter_of(options)),
      head_(std::make_unique<SemanticFpn>(options_.head)) {
  options_.out_indices = backbone_.options().out_indices;
  child("backbone", backbone_);
  child("", *head_);
  if (options_.method != Method::full) backbone_.freeze_vit();
  name_tree();
}

HeadInput Segmentor::features(const Variable& images, const nn::ForwardContext& context) const {
  BackboneOutput out = backbone_.forward(images, context);
  return {std::move(out.features), std::move(out.queries)};
}

Losses Segmentor::loss(const nn::ForwardContext& context, const Tensor& images, const Tensor& labels,
                       const LossScope& scope) const {
  Losses losses = head_->loss(features(constant(images), context), labels, scope, context);
  for (auto& term : losses.terms) term.first = "decode." + term.first;
  return losses;
}

Tensor Segmentor::scores(const Tensor& images) const {
  const NoGrad no_grad;
  const nn::ForwardContext context;
  const std::int64_t height = images.size(1), width = images.size(2), p = options_.vit.patch;
  const std::int64_t below = (p - height % p) % p, right = (p - width % p) % p;
  Variable whole = constant(images);
  const auto zeros = [&](const Shape& shape) { return constant(Tensor::zeros(shape, images.dtype())); };
  if (below > 0) whole = concat({whole, zeros(images.shape().with(1, below))}, 1);
  if (right > 0) whole = concat({whole, zeros(whole.shape().with(2, right))}, 2);
  Variable scores = head_->scores(features(whole, context), height + below, width + right, context);
  if (below > 0) scores = slice(scores, 1, 0, height);
  if (right > 0) scores = slice(scores, 2, 0, width);
  return scores.value();
}

}  // namespace rein::models
