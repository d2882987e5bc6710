#include "tensor/ops/shape/gather_rows.h"

#include <doctest/doctest.h>

#include "autograd/cases/case.h"
#include "autograd/ops/shape/gather_rows.h"
#include "tensor/error.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

TEST_CASE("gather_rows gives the same bits for any number of threads") {
  const Tensor g = random_normal(RandomKey(1), {9, 40, 13}, 0, 1);
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < 9 * 40; ++i) rows.push_back(i * i % 7);
  const Tensor index = Tensor::from(rows, Shape{9, 40});
  check_same_bits_for_any_threads([&] { return std::vector{ops::gather_rows_backward(g, index, 7)}; });
}

TEST_CASE("gather_rows takes nothing from nothing, and names what it cannot take") {
  const Tensor x = Tensor::zeros({2, 5, 3}, DType::f32);
  const auto index = [](std::vector<std::int64_t> v, Shape shape) { return Tensor::from(v, shape); };
  CHECK(ops::gather_rows(x, Tensor::zeros({2, 0}, DType::i64)).shape() == Shape{2, 0, 3});
  CHECK(ops::gather_rows_backward(Tensor::zeros({0, 4, 3}, DType::f32), Tensor::zeros({0, 4}, DType::i64), 5).shape() ==
        Shape{0, 5, 3});
  CHECK_THROWS_WITH_AS(ops::gather_rows(x, index({0, 5}, {2, 1})),
                       "[gather_rows] index must be within 0 and 4, got 5; x is (2, 5, 3)", std::invalid_argument);
  CHECK_THROWS_AS(ops::gather_rows(x, index({0, -1}, {2, 1})), std::invalid_argument);
  CHECK_THROWS_AS(ops::gather_rows(x, index({0}, {1, 1})), std::invalid_argument);
  CHECK_THROWS_AS(ops::gather_rows(x, Tensor::zeros({2, 1}, DType::i32)), std::invalid_argument);
  CHECK_THROWS_AS(ops::gather_rows(x.view({10, 3}), index({0, 1}, {2, 1})), std::invalid_argument);
  CHECK_THROWS_AS(ops::gather_rows_backward(x, index({0, 1}, {2, 1}), 5), std::invalid_argument);
}

}  // namespace
