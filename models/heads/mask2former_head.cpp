// Mask2Former as a Head: losses of every prediction, and scores of the last.
#include <algorithm>

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/sampling/point_sample.h"
#include "models/heads/mask2former.h"
#include "tensor/cpu_features.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/elementwise.h"
#include "tensor/ops/matmul/gemm.h"
#include "tensor/ops/norm/softmax.h"
#include "tensor/ops/sampling/resize.h"
#include "tensor/ops/shape/shape_ops.h"

namespace rein::models {
namespace {

// The resized masks of as many queries at a time as this holds.
constexpr std::int64_t score_chunk_bytes = 32 << 20;

Mask2FormerOptions resolved(Mask2FormerOptions options) {
  options.loss.classes = options.classes;
  options.loss.check();
  return options;
}

}  // namespace

Mask2Former::Mask2Former(const Mask2FormerOptions& options) : options_(resolved(options)), net_(options_) {
  child("decode_head", net_);
}

LossScope Mask2Former::scope(const Tensor& labels) const {
  const MaskTargets targets = mask_targets(labels, options_.classes, options_.loss.ignore);
  const Mask2FormerScope scope = mask2former_scope(targets, options_.queries, options_.loss);
  return {.total_pixels = labels.count(), .masks = scope.masks, .class_weight = scope.class_weight};
}

Losses Mask2Former::loss(const HeadInput& input, const Tensor& labels, const LossScope& scope,
                         const nn::ForwardContext& context) const {
  const Device device = input.features.front().value().device();
  MaskTargets targets = mask_targets(labels, options_.classes, options_.loss.ignore);
  targets.labels = targets.labels.to(device);
  // On a device every step has the same shapes; the CPU computes what there is and no more.
  const bool fixed = device.is_cuda() && decisions_.forced.empty();
  const MaskSlots slots = mask_slots(targets, options_.queries, options_.classes, device, fixed);
  const Mask2FormerOutput out = net_(input, true, decisions_.attention_mask);
  require(decisions_.forced.empty() || decisions_.forced.size() == out.cls.size(), "mask2former",
          "decisions are given for ", decisions_.forced.size(), " predictions of ", out.cls.size());
  const Mask2FormerScope divisors{scope.masks, scope.class_weight};
  const auto forced = [&](std::size_t i) {
    return decisions_.forced.empty() ? Mask2FormerForced{} : decisions_.forced[i];
  };
  const bool whole_masks = forced_kernel("mask_points") == "reference";
  // The masks of a prediction are there only while its points are chosen; backward makes those of matched queries.
  std::vector<Mask2FormerDecided> decided;
  std::vector<Variable> logits;
  if (!whole_masks) {
    std::vector<MaskPointSet> sets;
    for (std::size_t i = 0; i < out.cls.size(); ++i) {
      const NoGrad no_grad;
      decided.push_back(mask2former_decide(out.cls[i].value(), out.mask_logits(i).value(), targets, slots,
                                           options_.loss, key(context), context.first_sample,
                                           static_cast<std::int64_t>(i), forced(i)));
      sets.push_back({out.embeddings[i], decided[i].rows, decided[i].points, decided[i].logits, slots.splits});
    }
    logits = mask_points(out.mask_features, sets, out.products);
  }
  Losses losses;
  const std::int64_t images = labels.size(0);
  losses.bad = Tensor::empty({static_cast<std::int64_t>(out.cls.size()), images}, DType::i64, device);
  for (std::size_t i = 0; i < out.cls.size(); ++i) {
    const Mask2FormerLoss one =
        whole_masks
            ? mask2former_loss({out.cls[i], out.mask_logits(i)}, targets, options_.loss, divisors, key(context),
                               context.first_sample, static_cast<std::int64_t>(i), forced(i), fixed)
            : mask2former_losses(out.cls[i], logits[i], std::move(decided[i]), targets, options_.loss, divisors);
    const std::string prefix = i + 1 < out.cls.size() ? concat_text("d", i, ".") : "";
    losses.terms.emplace_back(prefix + "loss_cls", one.cls);
    losses.terms.emplace_back(prefix + "loss_mask", one.mask);
    losses.terms.emplace_back(prefix + "loss_dice", one.dice);
    const auto row = static_cast<std::int64_t>(i);
    losses.bad.rows(row, row + 1).view({images}).copy_from(one.bad);
    if (decisions_.see) decisions_.see(i, one);
  }
  losses.total = losses.terms.front().second;
  for (std::size_t i = 1; i < losses.terms.size(); ++i) losses.total = add(losses.total, losses.terms[i].second);
  return losses;
}

Variable Mask2Former::scores(const HeadInput& input, std::int64_t height, std::int64_t width,
                             const nn::ForwardContext&) const {
  const NoGrad no_grad;
  const Mask2FormerOutput out = net_(input, false, decisions_.attention_mask);
  const Tensor& map = out.mask_features.value();
  const Tensor& embeddings = out.embeddings.back().value();
  const Tensor probabilities = ops::softmax(out.cls.back().value());  // over K + 1
  const std::int64_t n = map.size(0), h = map.size(1), w = map.size(2), q = embeddings.size(1), k = options_.classes;
  Tensor scores = Tensor::empty({n, height * width, k}, map.dtype(), map.device());
  const std::int64_t bytes_per_query = height * width * static_cast<std::int64_t>(size_of(map.dtype()));
  const std::int64_t chunk = std::clamp<std::int64_t>(score_chunk_bytes / bytes_per_query, 1, q);
  for (std::int64_t image = 0; image < n; ++image) {
    const Tensor pixels = map.rows(image, image + 1).view({h * w, map.size(3)});
    const Tensor e = embeddings.rows(image, image + 1).view({q, map.size(3)});
    const Tensor p = probabilities.rows(image, image + 1).view({q, k + 1});
    const Tensor sum = scores.rows(image, image + 1).view({height * width, k});
    for (std::int64_t first = 0; first < q; first += chunk) {
      const std::int64_t last = std::min(first + chunk, q);
      // Pixels as rows, queries as channels: the resize and the sum over queries both run along memory.
      const Tensor logits = ops::matmul(pixels, e.rows(first, last), false, true).view({1, h, w, last - first});
      const Tensor resized = h == height && w == width ? logits : ops::resize(logits, ops::to_size(height, width));
      const Tensor masks = ops::unary(ops::Unary::sigmoid, resized).view({height * width, last - first});
      ops::gemm(rows_of(masks), false, rows_of(p, {first, last}, {0, k}), false, rows_of(sum),
                first == 0 ? ops::Write::overwrite : ops::Write::add);
    }
  }
  return constant(scores.view({n, height, width, k}));
}

}  // namespace rein::models
