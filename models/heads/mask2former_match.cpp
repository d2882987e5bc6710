#include "models/heads/mask2former_match.h"

#include <algorithm>
#include <span>
#include <vector>

#include "tensor/error.h"
#include "tensor/ops/assignment.h"
#include "tensor/ops/gemm.h"
#include "tensor/ops/mask_point_loss.h"
#include "tensor/ops/point_sample.h"
#include "tensor/ops/random_points.h"
#include "tensor/ops/reduce.h"
#include "tensor/ops/softmax.h"

namespace rein::models {
namespace {

Tensor range(std::int64_t begin, std::int64_t end) {
  Tensor out = Tensor::empty({end - begin}, DType::i64);
  std::int64_t* to = out.mutable_data<std::int64_t>();
  for (std::int64_t i = begin; i < end; ++i) *to++ = i;
  return out;
}

Tensor match_points(std::size_t n, const Mask2FormerLossOptions& options, RandomKey key, std::int64_t image,
                    std::int64_t layer, const Mask2FormerForced& forced, Device device) {
  if (!forced.match_points.empty()) {
    require(n < forced.match_points.size() && forced.match_points[n].shape() == Shape{options.points, 2},
            "mask2former_loss", "match points must be ", Shape{options.points, 2}, " for every image; image is ", n);
    return forced.match_points[n].to(device);
  }
  const ops::PointStream stream{point_key(key, image, layer, "match")};
  return ops::random_points(std::span(&stream, 1), options.points, device).view({options.points, 2});
}

// All pairs at once by matrix products over the points: with z (Q, P), s = sigmoid(z) and targets g (G, P),
//   sum_p of g softplus(-z) + (1 - g) softplus(z) = sum_p softplus(z) - (z g^T).
Tensor cost_matrix(const Tensor& cls, const Tensor& masks, std::int64_t n, const MaskTargets& targets,
                   const Tensor& points, const Mask2FormerLossOptions& options) {
  const auto& classes = targets.classes[static_cast<std::size_t>(n)];
  const auto count = static_cast<std::int64_t>(classes.size());
  const std::int64_t queries = masks.size(1), p = points.size(0);
  const Device device = masks.device(), cpu;
  const Tensor z = ops::point_sample(masks, range(n * queries, (n + 1) * queries).to(device), points);
  const Tensor g =
      ops::sample_label_classes(targets.labels, n, Tensor::from(classes, {count}).to(device), points, masks.dtype());
  const ops::MaskCostTerms terms = ops::mask_cost_terms(z);
  const Tensor zg = ops::matmul(z, g, false, true).to(cpu), sg = ops::matmul(terms.sigmoid, g, false, true).to(cpu);
  const Tensor g_sum = ops::sum_axis(g, 1).to(cpu), sums_of_rows = terms.sums.to(cpu);
  const Tensor probability = ops::softmax(cls.rows(n, n + 1), 1.0).to(cpu);

  Tensor cost = Tensor::empty({queries, count}, DType::f64);
  double* to = cost.mutable_data<double>();
  const double* sums = sums_of_rows.data<double>();
  dispatch_real("mask2former_loss", masks.dtype(), [&]<class T>() {
    const T *zg_at = zg.data<T>(), *sg_at = sg.data<T>(), *g_at = g_sum.data<T>(), *prob = probability.data<T>();
    for (std::int64_t q = 0; q < queries; ++q) {
      for (std::int64_t k = 0; k < count; ++k, ++to, ++zg_at, ++sg_at) {
        const std::int64_t column = classes[static_cast<std::size_t>(k)];
        const double class_cost = -static_cast<double>(prob[q * (options.classes + 1) + column]);
        const double bce = (sums[2 * q] - static_cast<double>(*zg_at)) / static_cast<double>(p);
        const double dice =
            1 - (2 * static_cast<double>(*sg_at) + 1) / (sums[2 * q + 1] + static_cast<double>(g_at[k]) + 1);
        *to = options.cost_cls * class_cost + options.cost_mask * bce + options.cost_dice * dice;
      }
    }
  });
  return cost;
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

}  // namespace

RandomKey point_key(RandomKey key, std::int64_t image, std::int64_t layer, const char* what) {
  return key.child("mask2former.points")
      .child(static_cast<std::uint64_t>(image))
      .child(static_cast<std::uint64_t>(layer))
      .child(what);
}

Matching match_queries(const Tensor& cls, const Tensor& masks, const MaskTargets& targets,
                       const Mask2FormerLossOptions& options, RandomKey key, std::int64_t first_sample,
                       std::int64_t layer, const Mask2FormerForced& forced) {
  const std::int64_t images = cls.size(0), queries = cls.size(1), slots = options.classes;
  require(forced.assignment.empty() || forced.assignment.size() == static_cast<std::size_t>(images), "mask2former_loss",
          "assignments must be given for all ", images, " images, got ", forced.assignment.size());
  Matching out;
  // Fixed slots, one per class: what a device solves without knowing how many targets there are.
  Tensor slot_cost = Tensor::zeros({images, queries, slots}, DType::f64);
  Tensor present = Tensor::zeros({images, slots}, DType::u8);
  for (std::int64_t n = 0; n < images; ++n) {
    const auto& classes = targets.classes[static_cast<std::size_t>(n)];
    const auto count = static_cast<std::int64_t>(classes.size());
    if (count == 0) {
      out.cost.push_back(Tensor::empty({queries, 0}, DType::f64));
      continue;
    }
    const Tensor points =
        match_points(static_cast<std::size_t>(n), options, key, first_sample + n, layer, forced, masks.device());
    out.cost.push_back(cost_matrix(cls, masks, n, targets, points, options));
    const double* from = out.cost.back().data<double>();
    double* to = slot_cost.mutable_data<double>() + n * queries * slots;
    for (std::int64_t q = 0; q < queries; ++q)
      for (std::int64_t g = 0; g < count; ++g)
        to[q * slots + classes[static_cast<std::size_t>(g)]] = from[q * count + g];
    for (const std::int64_t k : classes) present.mutable_data<std::uint8_t>()[n * slots + k] = 1;
  }
  const ops::Assignment solved = ops::assignment(slot_cost, present);
  out.bad = solved.bad;
  for (std::int64_t n = 0; n < images; ++n) {
    const auto& classes = targets.classes[static_cast<std::size_t>(n)];
    if (!forced.assignment.empty()) {
      const Tensor given = forced.assignment[static_cast<std::size_t>(n)].to(Device{});
      check_assignment(given, queries, static_cast<std::int64_t>(classes.size()));
      out.assignment.push_back(given);
      continue;
    }
    Tensor target = Tensor::empty({queries}, DType::i64);
    const std::int64_t* slot = solved.slots.data<std::int64_t>() + n * queries;
    for (std::int64_t q = 0; q < queries; ++q) {
      const auto found = std::lower_bound(classes.begin(), classes.end(), slot[q]);
      target.mutable_data<std::int64_t>()[q] = slot[q] < 0 ? -1 : found - classes.begin();
    }
    out.assignment.push_back(std::move(target));
  }
  return out;
}

}  // namespace rein::models
