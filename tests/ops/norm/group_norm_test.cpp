#include "tensor/ops/norm/group_norm.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/cases/case.h"
#include "autograd/ops/norm/norm.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

Tensor group_norm_loops(const Tensor& x, const Tensor& weight, const Tensor& bias, std::int64_t groups, double eps) {
  const std::int64_t channels = x.size(-1), pixels = x.count() / (x.size(0) * channels), width = channels / groups;
  Tensor y = Tensor::empty_like(x);
  for (std::int64_t n = 0; n < x.size(0); ++n)
    for (std::int64_t g = 0; g < groups; ++g) {
      const auto at = [&](std::int64_t p, std::int64_t c) { return (n * pixels + p) * channels + g * width + c; };
      const double elements = static_cast<double>(pixels * width);
      double mean = 0, variance = 0;
      for (std::int64_t p = 0; p < pixels; ++p)
        for (std::int64_t c = 0; c < width; ++c) mean += x.at(at(p, c)) / elements;
      for (std::int64_t p = 0; p < pixels; ++p)
        for (std::int64_t c = 0; c < width; ++c) variance += std::pow(x.at(at(p, c)) - mean, 2) / elements;
      for (std::int64_t p = 0; p < pixels; ++p)
        for (std::int64_t c = 0; c < width; ++c) {
          y.mutable_data<double>()[at(p, c)] =
              (x.at(at(p, c)) - mean) / std::sqrt(variance + eps) * weight.at(g * width + c) + bias.at(g * width + c);
        }
    }
  return y;
}

const Cases cases("group_norm", [](CaseList& list) {
  struct Sizes {
    Shape x;
    std::int64_t groups;
  };
  // One pixel, one channel per group, one group, widths around vectors, H != W, more than one chunk of pixels.
  for (const auto& [x, groups] :
       {Sizes{{1, 1, 1, 4}, 2}, Sizes{{2, 3, 2, 4}, 4}, Sizes{{1, 3, 5, 6}, 2}, Sizes{{3, 1, 4, 31}, 1},
        Sizes{{1, 2, 3, 32}, 8}, Sizes{{2, 3, 2, 33}, 3}, Sizes{{1, 2, 2, 130}, 10}, Sizes{{1, 1, 3, 9000}, 2}}) {
    const Shape c{x[-1]};
    list.add({.label = x.text() + " in " + std::to_string(groups) + " groups",
              .inputs = {normal("x", x, 0.5, 2), uniform("weight", c, 0.5, 1.5), normal("bias", c)},
              .run = [groups = groups](Vars v) { return Outs{group_norm(v[0], v[1], v[2], groups, 0.1)}; },
              .reference =
                  [groups = groups](Refs t) { return std::vector{group_norm_loops(t[0], t[1], t[2], groups, 0.1)}; },
              .f32_tolerance = 2e-6,
              .f32_grad_tolerance = 1e-5,
              .why = "sums of order one in f32, chunks in double"});
  }
  for (const Shape& x : {Shape{1, 128, 128, 256}, Shape{4, 128, 128, 128}}) {
    const Shape c{x[-1]};
    list.add({.label = x.text(),
              .inputs = {normal("x", x), uniform("weight", c, 0.5, 1.5), normal("bias", c)},
              .run = [](Vars v) { return Outs{group_norm(v[0], v[1], v[2], 32, 1e-5)}; },
              .bench_only = true,
              .flops = 8.0 * static_cast<double>(x.count()),
              .bytes = 8.0 * static_cast<double>(x.count())});
  }
});

TEST_CASE("group_norm agrees on every instruction set") {
  check_every_isa("group_norm");
}

TEST_CASE("group_norm gives the same bits for any number of threads") {
  const Tensor x = random_normal(RandomKey(4), {3, 41, 37, 96}, 1, 2);
  const Tensor w = random_normal(RandomKey(5), {96}, 0, 1), b = random_normal(RandomKey(6), {96}, 0, 1);
  check_same_bits_for_any_threads([&] {
    const auto out = ops::group_norm(x, w, b, 32, 1e-5);
    const auto grads = ops::group_norm_backward(out.y, x, w, out.mean, out.rstd, {});
    return std::vector{out.y, out.mean, out.rstd, grads.x, grads.weight, grads.bias};
  });
}

TEST_CASE("group_norm over many chunks equals plain loops") {
  const Tensor x = random_normal(RandomKey(7), {2, 40, 30, 24}, 3, 2, DType::f64);
  const Tensor w = random_normal(RandomKey(8), {24}, 0, 1, DType::f64),
               b = random_normal(RandomKey(9), {24}, 0, 1, DType::f64);
  CHECK(compare(ops::group_norm(x, w, b, 8, 1e-5).y, group_norm_loops(x, w, b, 8, 1e-5), 1e-13).ok);
}

TEST_CASE("group_norm of a large mean keeps its variance: centred, not E[x^2] - E[x]^2") {
  const Tensor x = random_normal(RandomKey(3), {1, 64, 64, 8}, 1000, 1, DType::f32);
  const Tensor one = Tensor::full({8}, 1, DType::f32);
  for (const double r : ops::group_norm(x, one, one, 2, 0).rstd.to_doubles())
    CHECK(r == doctest::Approx(1).epsilon(0.02));
}

TEST_CASE("group_norm carries NaN to its own image and group only") {
  Tensor x = random_normal(RandomKey(3), {2, 3, 3, 4}, 0, 1, DType::f32);
  x.mutable_data<float>()[1] = std::numeric_limits<float>::quiet_NaN();
  const Tensor one = Tensor::full({4}, 1, DType::f32);
  const auto y = ops::group_norm(x, one, one, 2, 1e-5).y.to_doubles();
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(std::isnan(y[i]) == (i < 36 && i % 4 < 2));
}

TEST_CASE("group_norm makes only the gradients that are wanted") {
  const Tensor x = random_normal(RandomKey(3), {1, 2, 2, 4}, 0, 1), w = Tensor::full({4}, 2, DType::f32);
  const auto out = ops::group_norm(x, w, w, 2, 1e-5);
  const auto grads = ops::group_norm_backward(x, x, w, out.mean, out.rstd, {.x = false, .weight = true, .bias = false});
  CHECK(!grads.x);
  CHECK(grads.weight);
  CHECK(!grads.bias);
}

TEST_CASE("group_norm names what it got") {
  const Tensor x = Tensor::zeros({2, 5, 7, 48}, DType::f32), w = Tensor::zeros({48}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::group_norm(x, w, w, 32, 1e-5),
                       "[group_norm] channels must be a multiple of groups, got 48 channels and 32 groups; x is (2, 5, "
                       "7, 48)",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::group_norm(x, Tensor::zeros({32}, DType::f32), w, 16, 1e-5),
                       "[group_norm] weight must have shape (48) and dtype f32, got (32) f32; x is (2, 5, 7, 48)",
                       std::invalid_argument);
  CHECK_THROWS_AS(ops::group_norm(x, w, Tensor::zeros({48}, DType::f64), 16, 1e-5), std::invalid_argument);
  CHECK_THROWS_AS(ops::group_norm(Tensor::zeros({2, 0, 7, 48}, DType::f32), w, w, 16, 1e-5), std::invalid_argument);
  CHECK_THROWS_AS(ops::group_norm(x, w, w, 0, 1e-5), std::invalid_argument);
}

}  // namespace
