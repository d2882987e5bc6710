#include "tensor/ops/shape/reduce.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/cases/case.h"
#include "autograd/cases/shape/reduce_cases.h"
#include "autograd/ops/shape/reduce.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

TEST_CASE("reductions agree on every instruction set") {
  check_every_isa("reduce");
}

TEST_CASE("reductions give the same bits for any number of threads, over many chunks too") {
  const Tensor x = random_normal(RandomKey(4), {3, 700, 83}, 0, 1);
  const Tensor tall = x.view({700 * 3, 83}), long_one = random_normal(RandomKey(5), {9000, 5}, 0, 1);
  check_same_bits_for_any_threads([&] {
    const auto max = ops::max_axis(x, 1);
    return std::vector{ops::sum(x),         ops::mean(x),           ops::sum_axis(x, 0),        ops::sum_axis(x, 1),
                       ops::sum_axis(x, 2), ops::sum_axis(tall, 0), ops::sum_axis(long_one, 0), max.values,
                       max.indices};
  });
  const Tensor wide = random_normal(RandomKey(6), {9000, 5}, 1, 1, DType::f64);
  CHECK(compare(ops::sum_axis(wide, 0), reduce_loops(wide, 0, plain_sum), 1e-12).ok);
  const Tensor many = random_normal(RandomKey(7), {17, 70, 1100}, 1, 1, DType::f64);
  CHECK(compare(ops::sum_axis(many, 1), reduce_loops(many, 1, plain_sum), 1e-12).ok);
}

TEST_CASE("a sum of a million equal numbers stays exact to f32") {
  CHECK(ops::sum(Tensor::full({1 << 20}, 0.1, DType::f32)).item() ==
        doctest::Approx(static_cast<double>(0.1f) * (1 << 20)).epsilon(1e-6));
}

TEST_CASE("max_axis takes the first maximal element, and the first NaN") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor x = Tensor::from(std::vector<float>{1, 3, 3, /**/ 2, nan, 9, /**/ nan, nan, 1}, {3, 3});
  const auto out = ops::max_axis(x, 1);
  CHECK(out.values.at(0) == 3);
  CHECK(std::isnan(out.values.at(1)));
  CHECK(out.indices.to_doubles() == std::vector<double>{1, 1, 0});
  const Tensor grad = ops::max_axis_backward(Tensor::from(std::vector<float>{5, 6, 7}, {3}), out.indices, {3, 3}, 1);
  CHECK(grad.to_doubles() == std::vector<double>{0, 5, 0, 0, 6, 0, 7, 0, 0});
}

TEST_CASE("reductions carry NaN, take empty tensors, and name what they got") {
  Tensor x = Tensor::zeros({4, 5}, DType::f32);
  x.mutable_data<float>()[7] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(ops::sum(x).item()));
  CHECK(std::isnan(ops::sum_axis(x, 0).at(2)));
  CHECK(ops::sum_axis(x, 0).at(1) == 0);
  CHECK(ops::sum(Tensor::zeros({0, 5}, DType::f32)).item() == 0);
  CHECK(ops::sum_axis(Tensor::zeros({0, 5}, DType::f32), 0).to_doubles() == std::vector<double>(5, 0.0));
  CHECK(ops::sum_axis(Tensor::zeros({0, 5}, DType::f32), 1).shape() == Shape{0});
  CHECK_THROWS_AS(ops::mean(Tensor::zeros({0, 5}, DType::f32)), std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::max_axis(Tensor::zeros({0, 5}, DType::f32), 0), "[max_axis] axis 0 of (0, 5) is empty",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::sum_axis(x, 2), "[sum_axis] axis 2 is outside of (4, 5)", std::invalid_argument);
  CHECK_THROWS_AS(ops::sum(Tensor::zeros({3}, DType::i64)), std::invalid_argument);
}

}  // namespace
