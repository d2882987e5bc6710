#include "models/heads/mask2former_loss.h"

#include <algorithm>
#include <array>

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/loss/loss.h"
#include "autograd/ops/sampling/point_sample.h"
#include "models/heads/mask2former_match.h"
#include "tensor/error.h"
#include "tensor/ops/loss/match_slots.h"
#include "tensor/ops/sampling/point_sample.h"
#include "tensor/ops/sampling/random_points.h"
#include "tensor/ops/shape/gather_rows.h"
#include "tensor/ops/shape/shape_ops.h"
#include "tensor/parallel.h"

namespace rein::models {
namespace {

constexpr const char* op = "mask2former_loss";
constexpr double epsilon = 1.1920928955078125e-07;  // F of the golden README: f32 machine epsilon, part of the formula

std::int64_t matched_of(const std::vector<std::int64_t>& classes, std::int64_t queries) {
  return std::min(static_cast<std::int64_t>(classes.size()), queries);
}

void check(const Tensor& cls, const Tensor& masks, const MaskTargets& targets, const Mask2FormerLossOptions& options) {
  options.check();
  require(cls.rank() == 3 && cls.size(2) == options.classes + 1, op, "cls must have shape (N, Q, ", options.classes + 1,
          "), got ", cls.shape());
  require(masks.rank() == 4 && masks.size(0) == cls.size(0) && masks.size(1) == cls.size(1), op,
          "masks must have shape (", cls.size(0), ", ", cls.size(1), ", h, w), got ", masks.shape());
  require(cls.dtype() == masks.dtype(), op, "cls and masks must have the same dtype, got ", name_of(cls.dtype()),
          " and ", name_of(masks.dtype()));
  require(targets.labels && targets.labels.rank() == 3 && targets.labels.size(0) == cls.size(0) &&
              targets.classes.size() == static_cast<std::size_t>(cls.size(0)),
          op, "targets must be those of ", cls.size(0), " images, got labels ", targets.labels.shape());
}

// 2 sum(w[y] * -log softmax(cls)[y]) / (sum w[y] + F): the queries with a target and those without, each with its
// weight in the divisor.
Variable class_loss(const Variable& cls, const Mask2FormerDecided& decided, const Mask2FormerLossOptions& options,
                    double class_weight) {
  constexpr std::int64_t skip = -1;
  const double divisor = (class_weight + epsilon) / options.loss_cls;
  const Variable matched = cross_entropy(cls, decided.class_of, divisor, skip);
  if (options.no_object_weight == 0) return matched;
  return add(matched, cross_entropy(cls, decided.free, divisor / options.no_object_weight, skip));
}

// (T, count, 2): mask t of an image takes elements t count .. (t + 1) count of the image's stream, t from 0 per image.
Tensor points_of_masks(const MaskSlots& slots, std::int64_t count, RandomKey key, std::int64_t first_sample,
                       std::int64_t layer, const char* what, const Tensor& given, Device device) {
  if (given) {
    const Shape shape{slots.places(), count, 2};
    require(given.shape() == shape && given.dtype() == DType::f32, op, what, " points must be f32 ", shape, ", got ",
            given.shape());
    return given.to(device);
  }
  std::vector<ops::PointStream> streams;
  for (std::size_t n = 0; n + 1 < slots.splits.size(); ++n) {
    const RandomKey stream = point_key(key, first_sample + static_cast<std::int64_t>(n), layer, what);
    for (std::int64_t t = 0; t < slots.splits[n + 1] - slots.splits[n]; ++t) streams.push_back({stream, t * count});
  }
  return ops::random_points(streams, count, device);
}

void check_chosen(const Tensor& chosen, const Shape& shape, std::int64_t candidates) {
  require(chosen.dtype() == DType::i64 && chosen.shape() == shape, op, "chosen must be i64 ", shape, ", got ",
          name_of(chosen.dtype()), " ", chosen.shape());
  for (const std::int64_t i : chosen.values<std::int64_t>())
    require(i >= 0 && i < candidates, op, "chosen must be in [0, ", candidates, "), got ", i);
}

}  // namespace

std::int64_t Mask2FormerLossOptions::candidates() const {
  return static_cast<std::int64_t>(static_cast<double>(points) * oversample);
}
std::int64_t Mask2FormerLossOptions::uncertain() const {
  return static_cast<std::int64_t>(static_cast<double>(points) * importance);
}

void Mask2FormerLossOptions::check() const {
  require(classes >= 1 && classes <= 255, op, "classes must be in [1, 255], got ", classes);
  require(points >= 1 && points <= (1 << 24), op, "points must be in [1, 2^24], got ", points);
  require(oversample >= 1 && oversample <= 100, op, "oversample must be in [1, 100], got ", oversample);
  require(importance >= 0 && importance <= 1, op, "importance must be in [0, 1], got ", importance);
  require(loss_cls > 0 && loss_mask > 0 && loss_dice > 0, op, "the weights of the losses must be above 0, got ",
          loss_cls, ", ", loss_mask, ", ", loss_dice);
  require(no_object_weight >= 0, op, "no_object_weight must not be negative, got ", no_object_weight);
}

MaskTargets mask_targets(const Tensor& labels, std::int64_t classes, std::int64_t ignore) {
  require(labels && labels.dtype() == DType::i64 && labels.rank() == 3, "mask_targets",
          "labels must be i64 (N, H, W), got ", labels ? name_of(labels.dtype()) : "nothing", " ", labels.shape());
  require(classes >= 1 && classes <= 255, "mask_targets", "classes must be in [1, 255], got ", classes);
  const Tensor host = labels.to(Device{});
  MaskTargets out{Tensor::empty(labels.shape(), DType::u8), {}};
  const std::int64_t images = labels.size(0), pixels = labels.size(1) * labels.size(2);
  const std::int64_t* from = host.data<std::int64_t>();
  std::uint8_t* to = out.labels.mutable_data<std::uint8_t>();
  out.classes.resize(static_cast<std::size_t>(images));
  parallel_for(images, [&](std::int64_t n) {
    // Without branches: every step goes over all pixels, and labels change where they like.
    std::array<std::uint8_t, 256> seen{};
    bool wrong = false;
    for (std::int64_t i = n * pixels; i < (n + 1) * pixels; ++i) {
      const std::int64_t label = from[i];
      const bool ignored = label == ignore;
      wrong |= !ignored & (static_cast<std::uint64_t>(label) >= static_cast<std::uint64_t>(classes));
      to[i] = ignored ? std::uint8_t{255} : static_cast<std::uint8_t>(label);
      seen[to[i]] |= static_cast<std::uint8_t>(!ignored);
    }
    for (std::int64_t i = n * pixels; wrong; ++i) {
      if (from[i] != ignore && (from[i] < 0 || from[i] >= classes))
        fail("mask_targets", "labels must be in [0, ", classes, ") or the ignored ", ignore, ", got ", from[i],
             " at flat position ", i, " of ", labels.shape());
    }
    for (std::int64_t k = 0; k < classes; ++k)
      if (seen[static_cast<std::size_t>(k)] != 0) out.classes[static_cast<std::size_t>(n)].push_back(k);
  });
  out.labels = out.labels.to(labels.device());
  return out;
}

Mask2FormerScope& Mask2FormerScope::operator+=(const Mask2FormerScope& other) {
  masks += other.masks;
  class_weight += other.class_weight;
  return *this;
}

Mask2FormerScope mask2former_scope(const MaskTargets& targets, std::int64_t queries,
                                   const Mask2FormerLossOptions& options) {
  std::int64_t masks = 0, matched = 0;
  for (const auto& classes : targets.classes) {
    const std::int64_t m = matched_of(classes, queries);
    masks += std::max<std::int64_t>(m, 1);
    matched += m;
  }
  const auto all = queries * static_cast<std::int64_t>(targets.classes.size());
  return {static_cast<double>(masks),
          static_cast<double>(matched) + options.no_object_weight * static_cast<double>(all - matched)};
}

MaskSlots mask_slots(const MaskTargets& targets, std::int64_t queries, std::int64_t classes, Device device,
                     bool fixed) {
  const auto images = static_cast<std::int64_t>(targets.classes.size());
  MaskSlots out{{0}, {}, {}, {}};
  Tensor present = Tensor::zeros({images, classes}, DType::u8);
  std::vector<std::int64_t> all;
  for (std::int64_t k = 0; k < classes; ++k) all.push_back(k);
  for (std::int64_t n = 0; n < images; ++n) {
    const auto& occurring = targets.classes[static_cast<std::size_t>(n)];
    for (const std::int64_t k : occurring) present.mutable_data<std::uint8_t>()[n * classes + k] = 1;
    out.splits.push_back(out.splits.back() + (fixed ? std::min(classes, queries) : matched_of(occurring, queries)));
    const auto& columns = fixed ? all : occurring;
    if (fixed && n > 0)
      out.columns.push_back(out.columns.front());
    else
      out.columns.push_back(Tensor::from(columns, {static_cast<std::int64_t>(columns.size())}).to(device));
  }
  out.splits_there = Tensor::from(out.splits, {images + 1}).to(device);
  out.present = present.to(device);
  return out;
}

Mask2FormerDecided mask2former_decide(const Tensor& cls, const Tensor& masks, const MaskTargets& targets,
                                      const MaskSlots& slots, const Mask2FormerLossOptions& options, RandomKey key,
                                      std::int64_t first_sample, std::int64_t layer, const Mask2FormerForced& forced) {
  check(cls, masks, targets, options);
  Matching matching = match_queries(cls, masks, targets, slots, options, key, first_sample, layer, forced);
  const ops::MatchedSlots matched =
      ops::match_slots(matching.class_of, slots.present, slots.splits_there, slots.places());
  const std::int64_t uncertain = options.uncertain(), images = cls.size(0), queries = cls.size(1);
  const Device device = masks.device();
  Mask2FormerDecided out;
  const Tensor candidates =
      points_of_masks(slots, options.candidates(), key, first_sample, layer, "candidates", forced.candidates, device);
  const Tensor random =
      points_of_masks(slots, options.points - uncertain, key, first_sample, layer, "random", forced.random, device);
  if (forced.chosen) {
    check_chosen(forced.chosen.to(Device{}), {slots.places(), uncertain}, options.candidates());
    out.chosen = forced.chosen.to(device);
  } else {
    out.chosen = ops::smallest_magnitudes(ops::point_sample(masks, matched.rows, candidates), uncertain);
  }
  out.points = ops::concat({ops::gather_rows(candidates, out.chosen), random}, 1);
  out.logits = ops::point_sample(masks, matched.rows, out.points);
  out.targets = ops::sample_label_mask(targets.labels, matched.images, matched.classes, out.points, masks.dtype());
  out.cost = std::move(matching.cost);
  for (std::int64_t n = 0; n < images; ++n) out.assignment.push_back(matched.targets.rows(n, n + 1).view({queries}));
  out.bad = std::move(matching.bad);
  out.rows = matched.rows;
  out.class_of = std::move(matching.class_of);
  out.free = matched.free;
  return out;
}

Mask2FormerLoss mask2former_losses(const Variable& cls, const Variable& logits, Mask2FormerDecided decided,
                                   const MaskTargets& targets, const Mask2FormerLossOptions& options,
                                   const Mask2FormerScope& scope) {
  const Mask2FormerScope step = scope ? scope : mask2former_scope(targets, cls.size(1), options);
  Mask2FormerLoss out;
  out.cls = class_loss(cls, decided, options, step.class_weight);
  const double all_points = step.masks * static_cast<double>(options.points);
  const MaskPointLosses losses = mask_point_losses(logits, decided.targets, (all_points + epsilon) / options.loss_mask,
                                                   (step.masks + epsilon) / options.loss_dice, decided.rows);
  out.mask = losses.bce;
  out.dice = losses.dice;
  out.cost = std::move(decided.cost);
  out.assignment = std::move(decided.assignment);
  out.chosen = std::move(decided.chosen);
  out.bad = std::move(decided.bad);
  return out;
}

std::int64_t Mask2FormerLoss::bad_costs() const {
  const Tensor host = bad.to(Device{});
  std::int64_t sum = 0;
  for (const std::int64_t count : host.values<std::int64_t>()) sum += count;
  return sum;
}

Mask2FormerLoss mask2former_loss(const Mask2FormerPrediction& prediction, const MaskTargets& targets,
                                 const Mask2FormerLossOptions& options, const Mask2FormerScope& scope, RandomKey key,
                                 std::int64_t first_sample, std::int64_t layer, const Mask2FormerForced& forced,
                                 bool fixed_slots) {
  require(prediction.cls && prediction.masks, op, "cls and masks must be given");
  const Tensor &cls = prediction.cls.value(), &masks = prediction.masks.value();
  check(cls, masks, targets, options);
  const MaskSlots slots = mask_slots(targets, cls.size(1), options.classes, masks.device(), fixed_slots);
  Mask2FormerDecided decided =
      mask2former_decide(cls, masks, targets, slots, options, key, first_sample, layer, forced);
  const Variable logits = point_sample(prediction.masks, decided.rows, decided.points);
  return mask2former_losses(prediction.cls, logits, std::move(decided), targets, options, scope);
}

}  // namespace rein::models
