#include "tensor/ops/norm/group_norm.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/cases/case.h"
#include "autograd/cases/norm/group_norm_cases.h"
#include "autograd/ops/norm/norm.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

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
