#include "autograd/ops/sampling/point_sample.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "autograd/record.h"
#include "tensor/error.h"
#include "tensor/ops/loss/mask_point_loss.h"
#include "tensor/ops/loss/match_slots.h"
#include "tensor/ops/matmul/gemm.h"
#include "tensor/ops/sampling/point_sample.h"
#include "tensor/ops/shape/shape_ops.h"

namespace rein {
namespace {

// z_tp = sum of four weights times pixels of map rows[t]: linear in the maps, so only rows and points are kept, and
// grad_map[pixel] = sum over the points that read it of weight * grad_z.
struct PointSampleSaved {
  SavedTensor rows, points;
  Shape maps_shape;
};

void point_sample_vjp(const PointSampleSaved& s, GradContext& g) {
  g.set(0, ops::point_sample_backward(g.out(), s.rows.get(), s.points.get(), s.maps_shape));
}

// With F (h*w, C) the features of an image, and for every set E (Q, C) and D (T, h*w) = the gradient of the masks of
// the rows read (the adjoint of point_sample; all other rows have none):
//   grad_E[rows] = D F,   grad_F = sum over sets of D^T E[rows].
struct MaskPointsSaved {
  struct Set {
    SavedTensor embeddings, rows, points;
    Shape shape;                       // of the embeddings
    std::vector<std::int64_t> splits;  // rows of image n: splits[n] to splits[n + 1]

    std::int64_t rows_of(std::int64_t image) const {
      const auto n = static_cast<std::size_t>(image);
      return splits[n + 1] - splits[n];
    }
  };
  SavedTensor features;
  std::vector<Set> sets;
  Products products;
};

// Neighbouring images [first, last) that have equally many rows in every set, and are taken together.
std::int64_t group_end(const MaskPointsSaved& s, std::int64_t first) {
  const std::int64_t images = s.features.get().size(0);
  const auto alike = [&](std::int64_t n) {
    return std::ranges::all_of(s.sets,
                               [&](const MaskPointsSaved::Set& set) { return set.rows_of(n) == set.rows_of(first); });
  };
  std::int64_t last = first + 1;
  while (last < images && alike(last)) ++last;
  return last;
}

void mask_points_vjp(const MaskPointsSaved& s, GradContext& g) {
  const Tensor& features = s.features.get();
  const std::int64_t images = features.size(0), h = features.size(1), w = features.size(2), c = features.size(3);
  Tensor grad_features = g.wants(0) ? Tensor::empty_like(features) : Tensor{};
  std::vector<std::vector<Tensor>> grad_rows(s.sets.size());  // per set, of its rows, image after image
  for (std::int64_t first = 0, last = 0; first < images; first = last) {
    last = group_end(s, first);
    const std::int64_t n = last - first;
    std::vector<Tensor> masks, rows;  // of the sets that read something of these images: (n, rows of an image, …)
    std::vector<std::size_t> which;
    std::vector<std::int64_t> sizes;
    for (std::size_t i = 0; i < s.sets.size(); ++i) {
      const MaskPointsSaved::Set& set = s.sets[i];
      const std::int64_t begin = set.splits[static_cast<std::size_t>(first)], t = set.rows_of(first);
      const Tensor& grad = g.out(static_cast<int>(i));
      if (t == 0 || !grad) continue;
      const std::int64_t end = begin + n * t;
      masks.push_back(
          ops::point_sample_backward(grad.rows(begin, end), {}, set.points.get().rows(begin, end), {n * t, h, w})
              .view({n, t, h * w}));
      rows.push_back(ops::take_rows(set.embeddings.get().view({set.shape.rows(), c}), set.rows.get().rows(begin, end))
                         .view({n, t, c}));
      which.push_back(i), sizes.push_back(t);
    }
    const Shape of_pixels{n, h * w, c};
    if (which.empty()) {
      if (grad_features) grad_features.rows(first, last).fill(0);
      continue;
    }
    const Tensor all = ops::concat(masks, 1);
    masks.clear();
    if (grad_features)
      ops::gemm(rows_of(all), true, rows_of(ops::concat(rows, 1)), false,
                rows_of(grad_features.rows(first, last).view(of_pixels)), ops::Write::overwrite, {}, 1, s.products);
    const Tensor product = ops::matmul(all, features.rows(first, last).view(of_pixels), false, false, s.products);
    const std::vector<Tensor> parts = ops::split(product, 1, sizes);
    for (std::size_t k = 0; k < which.size(); ++k)
      grad_rows[which[k]].push_back(parts[k].view({parts[k].shape().rows(), c}));
  }
  g.set(0, std::move(grad_features));
  for (std::size_t i = 0; i < s.sets.size(); ++i) {
    const auto& set = s.sets[i];
    g.set(1 + static_cast<int>(i),
          grad_rows[i].empty()
              ? Tensor::zeros(set.shape, features.dtype(), features.device())
              : ops::put_rows(ops::concat(grad_rows[i], 0), set.rows.get(), set.shape.rows()).view(set.shape));
  }
}

// With s = sigmoid(z): d bce / d z = (s - g) / bce_divisor. For a row, n = 2 sum s g + 1 and d = sum s + sum g + 1:
// d dice / d z = (n / d^2 - 2 g / d) s (1 - s) / dice_divisor.
struct MaskPointLossSaved {
  SavedTensor z, g, sums, rows;
  double bce_divisor, dice_divisor;
};

void mask_point_loss_vjp(const MaskPointLossSaved& s, GradContext& g) {
  g.set(0, ops::mask_point_loss_backward(g.out(0), g.out(1), s.z.get(), s.g.get(), s.sums.get(), s.bce_divisor,
                                         s.dice_divisor, s.rows.get()));
}

std::vector<std::int64_t> splits_of(const Tensor& rows, std::int64_t images, std::int64_t queries) {
  require(rows.device().is_cpu(), "mask_points", "rows must be on the CPU where no splits are given");
  const auto all = rows.values<std::int64_t>();
  require(std::ranges::adjacent_find(all, std::greater_equal<>()) == all.end() &&
              (all.empty() || (all.front() >= 0 && all.back() < images * queries)),
          "mask_points", "rows must be ascending, each once, and in [0, ", images * queries, ")");
  std::vector<std::int64_t> splits;
  for (std::int64_t n = 0; n <= images; ++n) splits.push_back(std::ranges::lower_bound(all, n * queries) - all.begin());
  return splits;
}

}  // namespace

Variable point_sample(const Variable& maps, const Tensor& rows, const Tensor& points) {
  return record(
      "point_sample", {maps}, ops::point_sample(maps.value(), rows, points),
      [&](Saver& save) {
        return PointSampleSaved{save(rows), save(points), maps.shape()};
      },
      point_sample_vjp);
}

std::vector<Variable> mask_points(const Variable& features, const std::vector<MaskPointSet>& sets, Products products) {
  const Shape& map = features.shape();
  require(map.rank() == 4, "mask_points", "features must have shape (N, h, w, C), got ", map);
  std::vector<Variable> inputs{features};
  std::vector<Tensor> values;
  std::vector<Tensor> rows;
  std::vector<std::vector<std::int64_t>> splits;
  for (const MaskPointSet& set : sets) {
    const Shape& e = set.embeddings.shape();
    require(e.rank() == 3 && e[0] == map[0] && e[2] == map[3], "mask_points", "embeddings must have shape (", map[0],
            ", Q, ", map[3], "), got ", e, "; features are ", map);
    require(set.rows && set.rows.dtype() == DType::i64 && set.rows.rank() == 1, "mask_points", "rows must be i64 (T)");
    splits.push_back(set.splits.empty() ? splits_of(set.rows, e[0], e[1]) : set.splits);
    const auto& places = splits.back();
    require(static_cast<std::int64_t>(places.size()) == e[0] + 1 && places.front() == 0 &&
                places.back() == set.rows.count() && std::ranges::is_sorted(places),
            "mask_points", "splits must be ", e[0] + 1, " numbers from 0 to ", set.rows.count());
    rows.push_back(set.rows.to(features.value().device()));
    Tensor z = set.values;
    if (!z) {
      const Tensor pixels = features.value().view({map[0], map[1] * map[2], map[3]});
      const Tensor masks =
          ops::matmul(set.embeddings.value(), pixels, false, true, products).view({e[0], e[1], map[1], map[2]});
      z = ops::point_sample(masks, rows.back(), set.points);
    }
    require(set.points && set.points.dtype() == DType::f32 &&
                set.points.shape() == Shape{set.rows.count(), z.size(-1), 2} && z.size(0) == set.rows.count(),
            "mask_points", "points must be f32 (T, P, 2) for rows ", set.rows.shape(), " and values ", z.shape(),
            ", got ", set.points.shape());
    inputs.push_back(set.embeddings);
    values.push_back(std::move(z));
  }
  return record_many(
      "mask_points", inputs, values,
      [&](Saver& save) {
        MaskPointsSaved saved{save(features.value()), {}, products};
        for (std::size_t i = 0; i < sets.size(); ++i)
          saved.sets.push_back({save(sets[i].embeddings.value()), save(rows[i]), save(sets[i].points),
                                sets[i].embeddings.shape(), splits[i]});
        return saved;
      },
      mask_points_vjp);
}

MaskPointLosses mask_point_losses(const Variable& z, const Tensor& g, double bce_divisor, double dice_divisor,
                                  const Tensor& rows) {
  auto out = ops::mask_point_loss(z.value(), g, bce_divisor, dice_divisor, rows);
  const auto losses = record_many(
      "mask_point_losses", {z}, {out.bce, out.dice},
      [&](Saver& save) {
        return MaskPointLossSaved{save(z.value()), save(g), save(out.sums), save(rows), bce_divisor, dice_divisor};
      },
      mask_point_loss_vjp);
  return {losses[0], losses[1]};
}

}  // namespace rein
