#include "tensor/ops/elementwise/swiglu.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/ops/elementwise/elementwise.h"
#include "tensor/error.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

TEST_CASE("swiglu on every instruction set, and for any number of threads") {
  check_every_isa("swiglu");
  const Tensor x = random_normal(RandomKey(1), {517, 642}, 0, 1), g = random_normal(RandomKey(2), {517, 321}, 0, 1);
  check_same_bits_for_any_threads([&] { return std::vector{ops::swiglu(x), ops::swiglu_backward(g, x)}; });
}

TEST_CASE("swiglu: no rows, no columns, NaN, and what does not fit") {
  CHECK(ops::swiglu(Tensor::zeros({0, 6}, DType::f32)).shape() == Shape{0, 3});
  CHECK(ops::swiglu(Tensor::zeros({3, 0}, DType::f32)).shape() == Shape{3, 0});
  const Tensor x = Tensor::from(std::vector<double>{std::nan(""), 1, 2, 3}, {1, 4});
  CHECK(std::isnan(ops::swiglu(x).at(0)));
  CHECK(!std::isnan(ops::swiglu(x).at(1)));
  CHECK_THROWS_WITH_AS(ops::swiglu(Tensor::zeros({2, 5}, DType::f32)),
                       "[swiglu] x must have shape (..., 2 C), got (2, 5)", std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::swiglu(Tensor::zeros({2, 4}, DType::bf16)),
                       "[swiglu] takes bf16 on CUDA only, got it on cpu", std::invalid_argument);
  CHECK_THROWS_AS(ops::swiglu_backward(Tensor::zeros({2, 3}, DType::f32), Tensor::zeros({2, 4}, DType::f32)),
                  std::invalid_argument);
}

}  // namespace
