#include "tensor/ops/sampling/point_sample.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/cases/case.h"
#include "autograd/cases/sampling/point_sample_cases.h"
#include "autograd/ops/sampling/point_sample.h"
#include "tensor/error.h"
#include "tensor/ops/shape/shape_ops.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

TEST_CASE("mask_points: rows each once, ascending; values and points that fit") {
  const Variable features = constant(Tensor::zeros({1, 3, 4, 2}, DType::f32));
  const Variable e = constant(Tensor::zeros({1, 5, 2}, DType::f32));
  const Tensor points = Tensor::zeros({2, 6, 2}, DType::f32);
  CHECK(mask_points(features, {{e, ids_of({1, 3}), points, Tensor{}}})[0].shape() == Shape{2, 6});
  CHECK_THROWS_WITH_AS(mask_points(features, {{e, ids_of({3, 3}), points, Tensor{}}}),
                       "[mask_points] rows must be ascending, each once, and in [0, 5)", std::invalid_argument);
  CHECK_THROWS_AS(mask_points(features, {{e, ids_of({3, 5}), points, Tensor{}}}), std::invalid_argument);
  CHECK_THROWS_AS(mask_points(features, {{e, ids_of({1, 3}), points, Tensor::zeros({3, 6}, DType::f32)}}),
                  std::invalid_argument);
  CHECK_THROWS_AS(mask_points(constant(Tensor::zeros({1, 3, 4, 3}, DType::f32)), {{e, ids_of({1}), points, Tensor{}}}),
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
  const Tensor z = ops::point_sample(maps, ids_of({0}), points);
  CHECK(z.at(0) == 0);
  CHECK(z.at(1) == 0);
  CHECK(z.at(2) == 0);
  CHECK(z.at(3) > 0.5);
  CHECK(std::isnan(z.at(4)));
  const Tensor grad =
      ops::point_sample_backward(Tensor::full({1, 5}, 1, DType::f32), ids_of({0}), points, maps.shape());
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
  Tensor all_classes = ids_of({3, 0, 2, 1});
  for (const Tensor& map : {labels, bytes}) {
    const Tensor all = ops::sample_label_classes(map, all_classes, both, DType::f64);
    CHECK(all.shape() == Shape{2, classes, 50});
    for (std::int64_t n = 0; n < 2; ++n) {
      const Tensor own = both.rows(n, n + 1);
      for (std::int64_t g = 0; g < classes; ++g) {
        const auto k = static_cast<std::int64_t>(all_classes.at(g));
        const Tensor one = ops::sample_label_mask(map, ids_of({n}), ids_of({k}), own, DType::f64);
        for (std::int64_t p = 0; p < 50; ++p) {
          const auto pixel = [&](std::int64_t y, std::int64_t x) {
            return labels.at((n * h + y) * w + x) == k ? 1.0 : 0.0;
          };
          const double expected = bilinear_loops(pixel, h, w, own.at(2 * p), own.at(2 * p + 1));
          CHECK(one.at(p) == doctest::Approx(expected).epsilon(1e-12));
          CHECK(all.at((n * classes + g) * 50 + p) == doctest::Approx(expected).epsilon(1e-12));
        }
      }
    }
  }
  // A corner point of a map full of the class reads a quarter of a pixel's weight.
  const Tensor corner = Tensor::from(std::vector<float>{0, 0}, {1, 2});
  const Tensor full = Tensor::zeros({1, 4, 4}, DType::i64);
  CHECK(ops::sample_label_mask(full, ids_of({0}), ids_of({0}), corner, DType::f32).item() == 0.25);
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
  CHECK_THROWS_WITH_AS(ops::point_sample(maps, ids_of({2}), Tensor::zeros({1, 5, 2}, DType::f32)),
                       "[point_sample] rows must be in [0, 2), got 2", std::invalid_argument);
  CHECK_THROWS_WITH_AS(
      ops::point_sample(maps, ids_of({1}), Tensor::zeros({2, 5, 2}, DType::f32)),
      "[point_sample] points must be f32 (S, P, 2) with S sets for 1 rows, or (P, 2), got f32 (2, 5, 2)",
      std::invalid_argument);
  CHECK_THROWS_AS(ops::point_sample(maps, ids_of({1}), Tensor::zeros({5, 2}, DType::f64)), std::invalid_argument);
  CHECK_THROWS_AS(ops::sample_label_classes(Tensor::zeros({1, 2, 2}, DType::u8), ids_of({1, 1}),
                                            Tensor::zeros({1, 5, 2}, DType::f32), DType::f32),
                  std::invalid_argument);
  CHECK_THROWS_AS(ops::sample_label_classes(Tensor::zeros({2, 2, 2}, DType::u8), ids_of({1}),
                                            Tensor::zeros({1, 5, 2}, DType::f32), DType::f32),
                  std::invalid_argument);
  CHECK_THROWS_AS(ops::point_sample(maps, {}, Tensor::zeros({3, 5, 2}, DType::f32)), std::invalid_argument);
  CHECK(ops::point_sample(maps, ids_of({}), Tensor::zeros({0, 5, 2}, DType::f32)).shape() == Shape{0, 5});
}

}  // namespace
