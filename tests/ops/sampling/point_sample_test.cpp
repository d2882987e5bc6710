#include "tensor/ops/sampling/point_sample.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/cases/case.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/sampling/point_sample.h"
#include "tensor/error.h"
#include "tensor/ops/shape/shape_ops.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

// One bilinear reading, written from the rule: four pixels, those outside count as zero.
double read_loops(const std::function<double(std::int64_t, std::int64_t)>& pixel, std::int64_t h, std::int64_t w,
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
      out.mutable_data<double>()[t * count + p] = read_loops(pixel, h, w, points.at(at), points.at(at + 1));
    }
  }
  return out;
}

Tensor ids(const std::vector<std::int64_t>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

// Random points, and among them corners, edges and points outside.
Tensor some_points(const Shape& shape) {
  Tensor points = random_uniform(RandomKey(5), shape, -0.1, 1.1);
  const std::vector<float> special{0, 0, 1, 1, 0, 1, 0.5F, 0.5F, -3, 0.5F, 0.5F, 7};
  float* to = points.mutable_data<float>();
  for (std::int64_t i = 0; i < points.count() && i < static_cast<std::int64_t>(special.size()); ++i)
    to[i] = special[static_cast<std::size_t>(i)];
  return points;
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
    const Tensor rows = ids(s.rows), given = s.all_maps ? Tensor{} : rows;
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
                  return Outs{point_sample(v[0], ids(rows).to(device),
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
                      given.push_back({v[i + 1], ids(all_rows[i]), points[i].to(v[0].value().device()), Tensor{}});
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
                      out.push_back(used ? sample_loops(masks, ids(all_rows[i]), points[i]) : masks);
                    }
                    return out;
                  },
              .f32_tolerance = 4e-6,
              .f32_grad_tolerance = 6e-6,
              .why = "pixel coordinates up to 9 are rounded to f32 before their fraction is taken, sums of 54 pixels"});
  }
});

TEST_CASE("mask_points: rows each once, ascending; values and points that fit") {
  const Variable features = constant(Tensor::zeros({1, 3, 4, 2}, DType::f32));
  const Variable e = constant(Tensor::zeros({1, 5, 2}, DType::f32));
  const Tensor points = Tensor::zeros({2, 6, 2}, DType::f32);
  CHECK(mask_points(features, {{e, ids({1, 3}), points, Tensor{}}})[0].shape() == Shape{2, 6});
  CHECK_THROWS_WITH_AS(mask_points(features, {{e, ids({3, 3}), points, Tensor{}}}),
                       "[mask_points] rows must be ascending, each once, and in [0, 5)", std::invalid_argument);
  CHECK_THROWS_AS(mask_points(features, {{e, ids({3, 5}), points, Tensor{}}}), std::invalid_argument);
  CHECK_THROWS_AS(mask_points(features, {{e, ids({1, 3}), points, Tensor::zeros({3, 6}, DType::f32)}}),
                  std::invalid_argument);
  CHECK_THROWS_AS(mask_points(constant(Tensor::zeros({1, 3, 4, 3}, DType::f32)), {{e, ids({1}), points, Tensor{}}}),
                  std::invalid_argument);
}

TEST_CASE("point_sample on every instruction set") {
  check_every_isa("point_sample");
}

TEST_CASE("points outside and NaN points give zero and no gradient; NaN pixels stay where they are read") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  Tensor maps = Tensor::full({1, 3, 4}, 1, DType::f32);
  maps.mutable_data<float>()[0] = nan;
  const Tensor points =
      Tensor::from(std::vector<float>{nan, 0.5F, 0.5F, inf, -9, 0.2F, 0.9F, 0.9F, 0.1F, 0.1F}, {1, 5, 2});
  const Tensor z = ops::point_sample(maps, ids({0}), points);
  CHECK(z.at(0) == 0);
  CHECK(z.at(1) == 0);
  CHECK(z.at(2) == 0);
  CHECK(z.at(3) > 0.5);
  CHECK(std::isnan(z.at(4)));
  const Tensor grad = ops::point_sample_backward(Tensor::full({1, 5}, 1, DType::f32), ids({0}), points, maps.shape());
  double sum = 0;
  for (const double g : grad.to_doubles()) sum += g;
  CHECK(sum == doctest::Approx(z.at(3) + 0.9 * 0.8).epsilon(1e-5));  // weights of the two points that lie inside
}

TEST_CASE("gradients of point_sample do not depend on the thread count") {
  const Tensor points = random_uniform(RandomKey(2), {40, 300, 2}, 0, 1),
               grad = random_normal(RandomKey(3), {40, 300}, 0, 1);
  Tensor rows = Tensor::empty({40}, DType::i64);
  for (std::int64_t t = 0; t < 40; ++t) rows.mutable_data<std::int64_t>()[t] = t * 7 % 5;
  check_same_bits_for_any_threads([&] {
    return std::vector{ops::point_sample_backward(grad, rows, points, {5, 9, 11})};
  });
}

TEST_CASE("label masks are sampled as the 0/1 maps would be, fractions near borders included") {
  const std::int64_t h = 6, w = 9, classes = 4;
  Tensor labels = Tensor::empty({2, h, w}, DType::i64), bytes = Tensor::empty({2, h, w}, DType::u8);
  for (std::int64_t i = 0; i < labels.count(); ++i) {
    const auto draw = static_cast<std::int64_t>(RandomKey(4).below(static_cast<std::uint64_t>(i), 5));
    labels.mutable_data<std::int64_t>()[i] = draw == 4 ? 255 : draw;
    bytes.mutable_data<std::uint8_t>()[i] = static_cast<std::uint8_t>(draw == 4 ? 255 : draw);
  }
  const Tensor points = some_points({50, 2}), more = random_uniform(RandomKey(6), {50, 2}, 0, 1);
  const Tensor both = ops::concat({points.view({1, 50, 2}), more.view({1, 50, 2})}, 0);
  Tensor all_classes = ids({3, 0, 2, 1});
  for (const Tensor& map : {labels, bytes}) {
    const Tensor all = ops::sample_label_classes(map, all_classes, both, DType::f64);
    CHECK(all.shape() == Shape{2, classes, 50});
    for (std::int64_t n = 0; n < 2; ++n) {
      const Tensor own = both.rows(n, n + 1);
      for (std::int64_t g = 0; g < classes; ++g) {
        const auto k = static_cast<std::int64_t>(all_classes.at(g));
        const Tensor one = ops::sample_label_mask(map, ids({n}), ids({k}), own, DType::f64);
        for (std::int64_t p = 0; p < 50; ++p) {
          const auto pixel = [&](std::int64_t y, std::int64_t x) {
            return labels.at((n * h + y) * w + x) == k ? 1.0 : 0.0;
          };
          const double expected = read_loops(pixel, h, w, own.at(2 * p), own.at(2 * p + 1));
          CHECK(one.at(p) == doctest::Approx(expected).epsilon(1e-12));
          CHECK(all.at((n * classes + g) * 50 + p) == doctest::Approx(expected).epsilon(1e-12));
        }
      }
    }
  }
  // A corner point of a map full of the class reads a quarter of a pixel's weight.
  const Tensor corner = Tensor::from(std::vector<float>{0, 0}, {1, 2});
  const Tensor full = Tensor::zeros({1, 4, 4}, DType::i64);
  CHECK(ops::sample_label_mask(full, ids({0}), ids({0}), corner, DType::f32).item() == 0.25);
}

TEST_CASE("smallest_magnitudes takes the lower index of equal ones and NaN last") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor x = Tensor::from(std::vector<double>{3, -1, 1, nan, -1, 0.5, 1, -0.0,  //
                                                    nan, nan, 2, nan, -2, 2, nan, 9},
                                {2, 8});
  const auto check = [&](std::int64_t count, const std::vector<double>& expected) {
    CHECK(ops::smallest_magnitudes(x, count).to_doubles() == expected);
  };
  check(3, {1, 5, 7, 10 - 8, 12 - 8, 13 - 8});
  check(4, {1, 2, 5, 7, 2, 4, 5, 7});
  check(5, {1, 2, 4, 5, 7, 0, 2, 4, 5, 7});
  check(0, {});
  CHECK_THROWS_AS(ops::smallest_magnitudes(x, 9), std::invalid_argument);
}

TEST_CASE("point_sample names what does not fit") {
  const Tensor maps = Tensor::zeros({2, 3, 4}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::point_sample(maps, ids({2}), Tensor::zeros({1, 5, 2}, DType::f32)),
                       "[point_sample] rows must be in [0, 2), got 2", std::invalid_argument);
  CHECK_THROWS_WITH_AS(
      ops::point_sample(maps, ids({1}), Tensor::zeros({2, 5, 2}, DType::f32)),
      "[point_sample] points must be f32 (S, P, 2) with S sets for 1 rows, or (P, 2), got f32 (2, 5, 2)",
      std::invalid_argument);
  CHECK_THROWS_AS(ops::point_sample(maps, ids({1}), Tensor::zeros({5, 2}, DType::f64)), std::invalid_argument);
  CHECK_THROWS_AS(ops::sample_label_classes(Tensor::zeros({1, 2, 2}, DType::u8), ids({1, 1}),
                                            Tensor::zeros({1, 5, 2}, DType::f32), DType::f32),
                  std::invalid_argument);
  CHECK_THROWS_AS(ops::sample_label_classes(Tensor::zeros({2, 2, 2}, DType::u8), ids({1}),
                                            Tensor::zeros({1, 5, 2}, DType::f32), DType::f32),
                  std::invalid_argument);
  CHECK_THROWS_AS(ops::point_sample(maps, {}, Tensor::zeros({3, 5, 2}, DType::f32)), std::invalid_argument);
  CHECK(ops::point_sample(maps, ids({}), Tensor::zeros({0, 5, 2}, DType::f32)).shape() == Shape{0, 5});
}

}  // namespace
