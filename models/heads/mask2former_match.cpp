#include "models/heads/mask2former_match.h"

#include <algorithm>
#include <vector>

#include "tensor/error.h"
#include "tensor/ops/loss/assignment.h"
#include "tensor/ops/loss/mask_point_loss.h"
#include "tensor/ops/matmul/gemm.h"
#include "tensor/ops/norm/softmax.h"
#include "tensor/ops/sampling/point_sample.h"
#include "tensor/ops/sampling/random_points.h"
#include "tensor/ops/shape/reduce.h"
#include "tensor/ops/shape/shape_ops.h"

namespace rein::models {
namespace {

// (images, points, 2), of the images from `first` on.
Tensor match_points(std::int64_t first, std::int64_t images, const Mask2FormerLossOptions& options, RandomKey key,
                    std::int64_t first_sample, std::int64_t layer, const Mask2FormerForced& forced, Device device) {
  std::vector<ops::PointStream> streams;
  std::vector<Tensor> given;
  for (std::int64_t n = first; n < first + images; ++n) {
    if (forced.match_points.empty()) {
      streams.push_back({point_key(key, first_sample + n, layer, "match")});
      continue;
    }
    const auto at = static_cast<std::size_t>(n);
    require(at < forced.match_points.size() && forced.match_points[at].shape() == Shape{options.points, 2},
            "mask2former_loss", "match points must be ", Shape{options.points, 2}, " for every image; image is ", n);
    given.push_back(forced.match_points[at].view({1, options.points, 2}));
  }
  return given.empty() ? ops::random_points(streams, options.points, device) : ops::concat(given, 0).to(device);
}

// Of neighbouring images that have the same columns: all pairs at once by matrix products over the points: with z (Q,
// P), s = sigmoid(z) and targets g (G, P),
//   sum_p of g softplus(-z) + (1 - g) softplus(z) = sum_p softplus(z) - (z g^T).
// The costs go into the images' rows of the fixed slots as well, (N, Q, K).
Tensor cost_matrices(const Tensor& cls, const Tensor& masks, const Tensor& labels, const Tensor& columns,
                     const Tensor& points, const Mask2FormerLossOptions& options, Tensor slots) {
  const std::int64_t images = masks.size(0), queries = masks.size(1), count = points.size(1);
  const Tensor z = ops::point_sample(masks, {}, points);
  const Tensor g = ops::sample_label_classes(labels, columns, points, masks.dtype());
  const ops::MaskCostTerms terms = ops::mask_cost_terms(z);
  const Shape by_image{images, queries, count};
  return ops::mask_costs({.zg = ops::matmul(z.view(by_image), g, false, true),
                          .sg = ops::matmul(terms.sigmoid.view(by_image), g, false, true),
                          .g_sum = ops::sum_axis(g, 2),
                          .probability = ops::softmax(cls),
                          .sums = terms.sums,
                          .classes = columns,
                          .points = count,
                          .cls = options.cost_cls,
                          .mask = options.cost_mask,
                          .dice = options.cost_dice},
                         slots);
}

// A given assignment: as many distinct targets as there can be.
void check_assignment(const Tensor& assignment, std::int64_t queries, std::int64_t count) {
  require(assignment && assignment.dtype() == DType::i64 && assignment.shape() == Shape{queries}, "mask2former_loss",
          "a given assignment must be i64 ", Shape{queries}, ", got ", assignment.shape());
  std::vector<bool> taken(static_cast<std::size_t>(count));
  std::int64_t matched = 0;
  for (const std::int64_t g : assignment.values<std::int64_t>()) {
    if (g == -1) continue;
    require(g >= 0 && g < count && !taken[static_cast<std::size_t>(g)], "mask2former_loss",
            "a given assignment must hold -1 or different targets in [0, ", count, "), got ", g);
    taken[static_cast<std::size_t>(g)] = true;
    ++matched;
  }
  require(matched == std::min(count, queries), "mask2former_loss", "a given assignment must match ",
          std::min(count, queries), " queries, got ", matched);
}

// The classes of the queries, i64 (N, Q), on the CPU.
Tensor given_classes(const MaskTargets& targets, const Mask2FormerForced& forced, std::int64_t queries) {
  const auto images = static_cast<std::int64_t>(targets.classes.size());
  Tensor out = Tensor::empty({images, queries}, DType::i64);
  for (std::int64_t n = 0; n < images; ++n) {
    const auto& classes = targets.classes[static_cast<std::size_t>(n)];
    const Tensor given = forced.assignment[static_cast<std::size_t>(n)].to(Device{});
    check_assignment(given, queries, static_cast<std::int64_t>(classes.size()));
    const std::int64_t* target = given.data<std::int64_t>();
    for (std::int64_t q = 0; q < queries; ++q)
      out.mutable_data<std::int64_t>()[n * queries + q] =
          target[q] < 0 ? -1 : classes[static_cast<std::size_t>(target[q])];
  }
  return out;
}

}  // namespace

RandomKey point_key(RandomKey key, std::int64_t image, std::int64_t layer, const char* what) {
  return key.child("mask2former.points")
      .child(static_cast<std::uint64_t>(image))
      .child(static_cast<std::uint64_t>(layer))
      .child(what);
}

Matching match_queries(const Tensor& cls, const Tensor& masks, const MaskTargets& targets, const MaskSlots& slots,
                       const Mask2FormerLossOptions& options, RandomKey key, std::int64_t first_sample,
                       std::int64_t layer, const Mask2FormerForced& forced) {
  const std::int64_t images = cls.size(0), queries = cls.size(1), classes = options.classes;
  require(forced.assignment.empty() || forced.assignment.size() == static_cast<std::size_t>(images), "mask2former_loss",
          "assignments must be given for all ", images, " images, got ", forced.assignment.size());
  Matching out;
  // One column per class: what a device solves without knowing how many targets there are.
  const Tensor slot_cost = Tensor::zeros({images, queries, classes}, DType::f64, masks.device());
  for (std::int64_t first = 0, last = 0; first < images; first = last) {
    const Tensor& columns = slots.columns[static_cast<std::size_t>(first)];
    last = first + 1;
    while (last < images && slots.columns[static_cast<std::size_t>(last)].raw() == columns.raw()) ++last;
    const Shape one{queries, columns.count()};
    Tensor cost = Tensor::empty({last - first, one[0], one[1]}, DType::f64, masks.device());
    if (columns.count() > 0)
      cost = cost_matrices(cls.rows(first, last), masks.rows(first, last), targets.labels.rows(first, last), columns,
                           match_points(first, last - first, options, key, first_sample, layer, forced, masks.device()),
                           options, slot_cost.rows(first, last));
    for (std::int64_t n = 0; n < last - first; ++n) out.cost.push_back(cost.rows(n, n + 1).view(one));
  }
  ops::Assignment solved = ops::assignment(slot_cost, slots.present);
  out.bad = std::move(solved.bad);
  out.class_of =
      forced.assignment.empty() ? std::move(solved.slots) : given_classes(targets, forced, queries).to(masks.device());
  return out;
}

}  // namespace rein::models
