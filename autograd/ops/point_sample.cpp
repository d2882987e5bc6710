#include "autograd/ops/point_sample.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "autograd/record.h"
#include "tensor/error.h"
#include "tensor/ops/gemm.h"
#include "tensor/ops/mask_point_loss.h"
#include "tensor/ops/point_sample.h"
#include "tensor/ops/shape_ops.h"

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
  };
  SavedTensor features;
  std::vector<Set> sets;
};

Tensor counting(std::int64_t count, Device device) {
  Tensor out = Tensor::empty({count}, DType::i64);
  for (std::int64_t i = 0; i < count; ++i) out.mutable_data<std::int64_t>()[i] = i;
  return out.to(device);
}

// Row r of the result is row rows[first + r] of x.
Tensor gather_rows(const Tensor& x, const Tensor& rows, std::int64_t first, std::int64_t last) {
  const Tensor flat = x.view({x.shape().rows(), x.shape().cols()});
  Tensor out = Tensor::empty({last - first, flat.size(1)}, x.dtype(), x.device());
  const std::int64_t* from = rows.data<std::int64_t>() + first;
  for (std::int64_t r = 0; r < last - first; ++r) out.rows(r, r + 1).copy_from(flat.rows(from[r], from[r] + 1));
  return out;
}

void mask_points_vjp(const MaskPointsSaved& s, GradContext& g) {
  const Tensor& features = s.features.get();
  const std::int64_t images = features.size(0), h = features.size(1), w = features.size(2), c = features.size(3);
  const auto count = static_cast<int>(s.sets.size());
  Tensor grad_features = g.wants(0) ? Tensor::zeros_like(features) : Tensor{};
  std::vector<Tensor> grads;
  for (const auto& set : s.sets) grads.push_back(Tensor::zeros(set.shape, features.dtype(), features.device()));
  for (std::int64_t n = 0; n < images; ++n) {
    std::vector<Tensor> masks, rows;  // of the sets that read something of this image
    std::vector<int> which;
    for (int i = 0; i < count; ++i) {
      const auto& set = s.sets[static_cast<std::size_t>(i)];
      const std::int64_t first = set.splits[static_cast<std::size_t>(n)],
                         last = set.splits[static_cast<std::size_t>(n + 1)];
      if (first == last || !g.out(i)) continue;
      masks.push_back(ops::point_sample_backward(g.out(i).rows(first, last), counting(last - first, features.device()),
                                                 set.points.get().rows(first, last), {last - first, h, w})
                          .view({last - first, h * w}));
      rows.push_back(gather_rows(set.embeddings.get(), set.rows.get(), first, last));
      which.push_back(i);
    }
    if (which.empty()) continue;
    const Tensor pixels = features.rows(n, n + 1).view({h * w, c}), all = ops::concat(masks, 0);
    masks.clear();
    if (grad_features)
      ops::gemm(rows_of(all), true, rows_of(ops::concat(rows, 0)), false,
                rows_of(grad_features.rows(n, n + 1).view({h * w, c})), ops::Write::overwrite);
    const Tensor grad_rows = ops::matmul(all, pixels);
    std::int64_t from = 0;
    for (const int i : which) {
      const auto& set = s.sets[static_cast<std::size_t>(i)];
      const std::int64_t* row = set.rows.get().data<std::int64_t>();
      const Tensor flat = grads[static_cast<std::size_t>(i)].view({set.shape.rows(), c});
      for (std::int64_t t = set.splits[static_cast<std::size_t>(n)]; t < set.splits[static_cast<std::size_t>(n + 1)];
           ++t, ++from)
        flat.rows(row[t], row[t] + 1).copy_from(grad_rows.rows(from, from + 1));
    }
  }
  g.set(0, std::move(grad_features));
  for (int i = 0; i < count; ++i) g.set(1 + i, std::move(grads[static_cast<std::size_t>(i)]));
}

// With s = sigmoid(z): d bce / d z = (s - g) / bce_divisor. For a row, n = 2 sum s g + 1 and d = sum s + sum g + 1:
// d dice / d z = (n / d^2 - 2 g / d) s (1 - s) / dice_divisor.
struct MaskPointLossSaved {
  SavedTensor z, g, sums;
  double bce_divisor, dice_divisor;
};

void mask_point_loss_vjp(const MaskPointLossSaved& s, GradContext& g) {
  g.set(0, ops::mask_point_loss_backward(g.out(0), g.out(1), s.z.get(), s.g.get(), s.sums.get(), s.bce_divisor,
                                         s.dice_divisor));
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

std::vector<Variable> mask_points(const Variable& features, const std::vector<MaskPointSet>& sets) {
  const Shape& map = features.shape();
  require(map.rank() == 4, "mask_points", "features must have shape (N, h, w, C), got ", map);
  std::vector<Variable> inputs{features};
  std::vector<Tensor> values;
  std::vector<std::vector<std::int64_t>> splits;
  for (const MaskPointSet& set : sets) {
    const Shape& e = set.embeddings.shape();
    require(e.rank() == 3 && e[0] == map[0] && e[2] == map[3], "mask_points", "embeddings must have shape (", map[0],
            ", Q, ", map[3], "), got ", e, "; features are ", map);
    require(set.rows && set.rows.dtype() == DType::i64 && set.rows.rank() == 1 && set.rows.device().is_cpu(),
            "mask_points", "rows must be i64 (T) on the CPU");
    const std::int64_t* begin = set.rows.data<std::int64_t>();
    const std::int64_t* end = begin + set.rows.count();
    require(std::adjacent_find(begin, end, std::greater_equal<>()) == end &&
                (begin == end || (*begin >= 0 && *(end - 1) < e[0] * e[1])),
            "mask_points", "rows must be ascending, each once, and in [0, ", e[0] * e[1], ")");
    Tensor z = set.values;
    if (!z) {
      const Tensor pixels = features.value().view({map[0], map[1] * map[2], map[3]});
      const Tensor masks = ops::matmul(set.embeddings.value(), pixels, false, true).view({e[0], e[1], map[1], map[2]});
      z = ops::point_sample(masks, set.rows.to(masks.device()), set.points);
    }
    require(set.points && set.points.dtype() == DType::f32 &&
                set.points.shape() == Shape{set.rows.count(), z.size(-1), 2} && z.size(0) == set.rows.count(),
            "mask_points", "points must be f32 (T, P, 2) for rows ", set.rows.shape(), " and values ", z.shape(),
            ", got ", set.points.shape());
    std::vector<std::int64_t> places;
    for (std::int64_t n = 0; n <= e[0]; ++n) places.push_back(std::lower_bound(begin, end, n * e[1]) - begin);
    inputs.push_back(set.embeddings);
    values.push_back(std::move(z));
    splits.push_back(std::move(places));
  }
  return record_many(
      "mask_points", inputs, values,
      [&](Saver& save) {
        MaskPointsSaved saved{save(features.value()), {}};
        for (std::size_t i = 0; i < sets.size(); ++i)
          saved.sets.push_back({save(sets[i].embeddings.value()), save(sets[i].rows), save(sets[i].points),
                                sets[i].embeddings.shape(), splits[i]});
        return saved;
      },
      mask_points_vjp);
}

MaskPointLosses mask_point_losses(const Variable& z, const Tensor& g, double bce_divisor, double dice_divisor) {
  auto out = ops::mask_point_loss(z.value(), g, bce_divisor, dice_divisor);
  const auto losses = record_many(
      "mask_point_losses", {z}, {out.bce, out.dice},
      [&](Saver& save) {
        return MaskPointLossSaved{save(z.value()), save(g), save(out.sums), bce_divisor, dice_divisor};
      },
      mask_point_loss_vjp);
  return {losses[0], losses[1]};
}

}  // namespace rein
