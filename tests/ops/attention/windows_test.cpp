#include "tensor/ops/attention/windows.h"

#include <doctest/doctest.h>

#include "autograd/cases/case.h"
#include "autograd/ops/attention/windows.h"
#include "tensor/error.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

TEST_CASE("windows give the same bits for any number of threads") {
  const Tensor g = random_normal(RandomKey(1), {2 * 6, 9, 130}, 0, 1);
  check_same_bits_for_any_threads([&] {
    return std::vector{ops::window_fill_backward(g, 5, 7, 3), ops::window_merge(g, 5, 7, 3)};
  });
}

TEST_CASE("windows take no images, and name what they got") {
  const Tensor none = Tensor::zeros({0, 5, 7, 3}, DType::f32), x = Tensor::zeros({1, 5, 7, 3}, DType::f32);
  CHECK(ops::window_partition(none, 3).shape() == Shape{0, 9, 3});
  CHECK(ops::window_merge(Tensor::zeros({0, 9, 3}, DType::f32), 5, 7, 3).shape() == none.shape());
  CHECK_THROWS_WITH_AS(ops::window_merge(Tensor::zeros({5, 9, 3}, DType::f32), 5, 7, 3),
                       "[window_merge] windows must have shape (N * 6, 9, C) for a map of 5 x 7, got (5, 9, 3)",
                       std::invalid_argument);
  CHECK_THROWS_AS(ops::window_partition(x, 0), std::invalid_argument);
  CHECK_THROWS_AS(ops::window_partition(x.view({5, 7, 3}), 3), std::invalid_argument);
  CHECK_THROWS_AS(ops::window_partition(x, 3, Tensor::zeros({4}, DType::f32)), std::invalid_argument);
  CHECK_THROWS_AS(ops::window_partition(x, 3, Tensor::zeros({3}, DType::f64)), std::invalid_argument);
}

}  // namespace
