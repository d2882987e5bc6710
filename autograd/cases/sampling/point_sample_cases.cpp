#include "autograd/cases/sampling/point_sample_cases.h"

#include <cmath>

#include "autograd/cases/case.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/sampling/point_sample.h"
#include "tensor/error.h"
#include "tensor/ops/sampling/point_sample.h"

namespace rein::testing {

double bilinear_loops(const std::function<double(std::int64_t, std::int64_t)>& pixel, std::int64_t h, std::int64_t w,
                      double x, double y) {
  const double px = x * static_cast<double>(w) - 0.5, py = y * static_cast<double>(h) - 0.5;
  const double kx = std::floor(px), ky = std::floor(py);
  double sum = 0;
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      const double row = ky + i, col = kx + j;
      if (row < 0 || col < 0 || row >= static_cast<double>(h) || col >= static_cast<double>(w)) continue;
      sum += (1 - std::abs(py - row)) * (1 - std::abs(px - col)) *
             pixel(static_cast<std::int64_t>(row), static_cast<std::int64_t>(col));
    }
  }
  return sum;
}

Tensor ids_of(const std::vector<std::int64_t>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

Tensor some_points(const Shape& shape) {
  Tensor points = random_uniform(RandomKey(5), shape, -0.1, 1.1);
  const std::vector<float> special{0, 0, 1, 1, 0, 1, 0.5F, 0.5F, -3, 0.5F, 0.5F, 7};
  float* to = points.mutable_data<float>();
  for (std::int64_t i = 0; i < points.count() && i < static_cast<std::int64_t>(special.size()); ++i)
    to[i] = special[static_cast<std::size_t>(i)];
  return points;
}

}  // namespace rein::testing

namespace {

using namespace rein;
using namespace rein::testing;

Tensor sample_loops(const Tensor& maps, const Tensor& rows, const Tensor& points) {
  const std::int64_t h = maps.size(-2), w = maps.size(-1), count = points.size(-2);
  Tensor out = Tensor::empty({rows.count(), count}, DType::f64);
  for (std::int64_t t = 0; t < rows.count(); ++t) {
    for (std::int64_t p = 0; p < count; ++p) {
      const std::int64_t sets = points.rank() == 3 ? points.size(0) : 1;
      const std::int64_t at = 2 * (t / (rows.count() / sets) * count + p);
      const auto pixel = [&](std::int64_t y, std::int64_t x) {
        return maps.at((static_cast<std::int64_t>(rows.at(t)) * h + y) * w + x);
      };
      out.mutable_data<double>()[t * count + p] = bilinear_loops(pixel, h, w, points.at(at), points.at(at + 1));
    }
  }
  return out;
}

const Cases cases("point_sample", [](CaseList& list) {
  struct Sizes {
    Shape maps;
    std::vector<std::int64_t> rows;
    std::int64_t points;
    std::int64_t sets;      // 0: one without an axis of its own
    bool all_maps = false;  // rows are not given
  };
  for (const Sizes& s :
       {Sizes{{1, 1, 1}, {0}, 7, 1}, Sizes{{3, 5, 4}, {2, 0, 2}, 31, 3}, Sizes{{2, 3, 6, 9}, {5, 1, 3, 1}, 33, 0},
        Sizes{{2, 7, 3}, {1}, 1, 0}, Sizes{{4, 8, 16}, {3, 3, 0, 1, 3}, 32, 5},
        Sizes{{2, 3, 4, 7}, {0, 1, 2, 3, 4, 5}, 9, 2, true}, Sizes{{3, 6, 5}, {2, 1, 1, 0, 2, 2}, 20, 3}}) {
    const auto count = static_cast<std::int64_t>(s.rows.size());
    const Tensor points = some_points(s.sets == 0 ? Shape{s.points, 2} : Shape{s.sets, s.points, 2});
    const Tensor rows = ids_of(s.rows), given = s.all_maps ? Tensor{} : rows;
    list.add({.label = concat_text(s.maps, " rows ", count, " points ", s.points, " sets ", s.sets),
              .inputs = {normal("maps", s.maps)},
              .run =
                  [=](Vars v) {
                    const Device device = v[0].value().device();
                    return Outs{point_sample(v[0], given.to(device), points.to(device))};
                  },
              .reference = [=](Refs t) { return std::vector{sample_loops(t[0], rows, points)}; },
              .f32_tolerance = 2e-6,
              .f32_grad_tolerance = 4e-6,
              .why = "pixel coordinates up to 16 are rounded to f32 before their fraction is taken"});
  }
  list.add({.label = "mask logits of a step: (1, 100, 128, 128), 100 rows, 12544 points shared",
            .inputs = {normal("maps", {1, 100, 128, 128})},
            .run =
                [](Vars v) {
                  std::vector<std::int64_t> rows(100);
                  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int64_t>(i);
                  const Device device = v[0].value().device();
                  return Outs{point_sample(v[0], ids_of(rows).to(device),
                                           random_uniform(RandomKey(1), {12544, 2}, 0, 1).to(device))};
                },
            .bench_only = true,
            .flops = 100.0 * 12544 * 11,
            .bytes = 100.0 * 12544 * 20});
});

// Up to three sets over the same features, of which some images have no rows. Images with as many rows in every set are
// taken together: the first two of three, where it says so.
const Cases mask_cases("mask_points", [](CaseList& list) {
  struct Sets {
    const char* label;
    std::size_t sets;
    std::vector<std::vector<std::int64_t>> rows;
  };
  const std::int64_t n = 3, q = 5, c = 7, h = 6, w = 9;
  for (const Sets& of : {Sets{"1 set, two images together", 1, {{0, 3, 5, 9, 12}, {}, {}}},
                         Sets{"3 sets, two images together", 3, {{0, 3, 5, 9, 12}, {2, 7}, {11}}},
                         Sets{"3 sets, all images apart", 3, {{0, 3, 5, 9, 12}, {4, 11, 14}, {7}}}}) {
    const std::int64_t count = 21;
    const std::size_t sets = of.sets;
    const auto all_rows = of.rows;
    std::vector<Tensor> points;
    for (const auto& rows : all_rows) points.push_back(some_points({static_cast<std::int64_t>(rows.size()), count, 2}));
    list.add({.label = of.label,
              .inputs = {normal("features", {n, h, w, c}), normal("e0", {n, q, c}), normal("e1", {n, q, c}),
                         normal("e2", {n, q, c})},
              .run =
                  [=](Vars v) {
                    std::vector<MaskPointSet> given;
                    for (std::size_t i = 0; i < sets; ++i)
                      given.push_back({v[i + 1], ids_of(all_rows[i]), points[i].to(v[0].value().device()), Tensor{}});
                    Outs out = mask_points(v[0], given);
                    for (std::size_t i = sets; i < 3; ++i) out.push_back(scale(v[i + 1], 2));
                    return out;
                  },
              .reference =
                  [=](Refs t) {
                    std::vector<Tensor> out;
                    for (std::size_t i = 0; i < 3; ++i) {
                      const bool used = i < sets;
                      Tensor masks = Tensor::zeros(used ? Shape{n * q, h, w} : Shape{n, q, c}, DType::f64);
                      double* to = masks.mutable_data<double>();
                      for (std::int64_t m = 0; used && m < n * q * h * w; ++m)
                        for (std::int64_t k = 0; k < c; ++k)
                          to[m] += t[i + 1].at(m / (h * w) * c + k) *
                                   t[0].at((m / (q * h * w) * h * w + m % (h * w)) * c + k);
                      for (std::int64_t m = 0; !used && m < n * q * c; ++m) to[m] = 2 * t[i + 1].at(m);
                      out.push_back(used ? sample_loops(masks, ids_of(all_rows[i]), points[i]) : masks);
                    }
                    return out;
                  },
              .f32_tolerance = 4e-6,
              .f32_grad_tolerance = 6e-6,
              .why = "pixel coordinates up to 9 are rounded to f32 before their fraction is taken, sums of 54 pixels"});
  }
});

}  // namespace
