#include "tensor/ops/sampling/resize.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "autograd/cases/case.h"
#include "autograd/ops/sampling/resize.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;
using enum ops::Interpolation;

constexpr ops::Interpolation modes[] = {nearest, bilinear, bicubic, bicubic_antialias};

TEST_CASE("resize agrees on every instruction set") {
  check_every_isa("resize");
}

TEST_CASE("resize gives the same bits for any number of threads") {
  const Tensor x = random_normal(RandomKey(4), {2, 33, 31, 67}, 0, 1);
  for (const auto mode : modes) {
    const auto options = ops::to_size(70, 61, mode);
    check_same_bits_for_any_threads([&] {
      const Tensor y = ops::resize(x, options);
      return std::vector{y, ops::resize_backward(y, x.shape(), options)};
    });
  }
}

// <resize(x), g> = <x, resize_backward(g)> for every x and g: the backward is the transpose, at sizes gradcheck skips.
TEST_CASE("resize_backward is the transpose of resize") {
  const auto dot = [](const Tensor& a, const Tensor& b) {
    double sum = 0;
    for (std::int64_t i = 0; i < a.count(); ++i) sum += a.at(i) * b.at(i);
    return sum;
  };
  for (const auto mode : modes) {
    for (const auto& [height, width] : {std::pair{64, 90}, std::pair{13, 5}}) {
      const auto options = ops::to_size(height, width, mode);
      const Tensor x = random_normal(RandomKey(5), {2, 19, 23, 5}, 0, 1, DType::f64);
      const Tensor y = ops::resize(x, options);
      const Tensor g = random_normal(RandomKey(6), y.shape(), 0, 1, DType::f64);
      CHECK(dot(y, g) == doctest::Approx(dot(x, ops::resize_backward(g, x.shape(), options))).epsilon(1e-12));
    }
  }
}

TEST_CASE("REIN_KERNEL=resize:reference runs the twin") {
  const Tensor x = random_normal(RandomKey(7), {1, 9, 9, 5}, 0, 1, DType::f32);
  const auto options = ops::to_size(31, 33, bicubic);
  const Tensor twin = ops::resize_reference(x, options);
  CHECK(!same_bits(ops::resize(x, options), twin));  // equal to rounding only
  setenv("REIN_KERNEL", "resize:reference", 1);
  const Tensor forced = ops::resize(x, options);
  unsetenv("REIN_KERNEL");
  CHECK(same_bits(forced, twin));
}

TEST_CASE("resize keeps a constant, and a pixel that nobody reads has no gradient") {
  for (const auto mode : modes) {
    const Tensor y = ops::resize(Tensor::full({1, 7, 5, 3}, 2, DType::f64), ops::to_size(11, 4, mode));
    for (const double v : y.to_doubles()) CHECK(v == doctest::Approx(2).epsilon(1e-14));
  }
  const Tensor g =
      ops::resize_backward(Tensor::full({1, 2, 2, 1}, 1, DType::f32), {1, 4, 4, 1}, ops::to_size(2, 2, nearest));
  CHECK(g.to_doubles() == std::vector<double>{1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0});
}

TEST_CASE("resize carries NaN to the outputs that read it and to no other") {
  Tensor x = Tensor::zeros({1, 1, 8, 1}, DType::f32);
  x.mutable_data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  const auto y = ops::resize(x, ops::to_size(1, 16)).to_doubles();
  CHECK(std::isnan(y[0]));
  CHECK(std::isnan(y[2]));
  CHECK(y[3] == 0);
}

TEST_CASE("resize names what it got") {
  const Tensor x = Tensor::zeros({1, 7, 9, 3}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::resize(x.view({7, 9, 3}), ops::to_size(2, 2)),
                       "[resize] x must have shape (N, H, W, C), got (7, 9, 3)", std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::resize(x, ops::to_size(0, 2)),
                       "[resize] the output must have at least one row and column, got 0 x 2; x is (1, 7, 9, 3)",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::by_factor(7, 9, 0.1, 0.5), "[resize] an input of 7 x 9 by factors 0.1 and 0.5 gives 0 x 4",
                       std::invalid_argument);
  CHECK_THROWS_AS(ops::by_factor(7, 9, std::nan(""), 1), std::invalid_argument);
  auto options = ops::to_size(3, 3, nearest);
  options.align_corners = true;
  CHECK_THROWS_AS(ops::resize(x, options), std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::resize_backward(x, {1, 4, 4, 3}, ops::to_size(8, 8)),
                       "[resize_backward] grad_out must have shape (1, 8, 8, 3), got (1, 7, 9, 3); x is (1, 4, 4, 3)",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::resize(Tensor::zeros({1, 2, 2, 3}, DType::u8), ops::to_size(3, 3)), doctest::Contains("u8"),
                       std::invalid_argument);
  CHECK(ops::resize(Tensor::zeros({0, 2, 2, 3}, DType::f32), ops::to_size(3, 3)).shape() == Shape{0, 3, 3, 3});
}

}  // namespace
