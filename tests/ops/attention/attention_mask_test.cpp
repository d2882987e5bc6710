#include "tensor/ops/attention/attention_mask.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "tensor/error.h"

namespace {

using namespace rein;

TEST_CASE("negative logits block; a row that blocks everything is opened, others stay") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor logits = Tensor::from<double>(std::vector<double>{-1, 0, 2, -1e-9, -3, -2, nan, -1, 0.5}, {1, 3, 3});
  const Tensor blocked = ops::blocked_where_negative(logits);
  CHECK(blocked.to_doubles() == std::vector<double>{1, 0, 0, 1, 1, 1, 0, 1, 0});
  const ops::OpenedMask opened = ops::open_blocked_rows(blocked);
  CHECK(opened.opened_rows.item() == 1);
  CHECK(opened.blocked.to_doubles() == std::vector<double>{1, 0, 0, 0, 0, 0, 0, 1, 0});
  CHECK(blocked.at(3) == 1);  // the argument is not written to
  CHECK(ops::open_blocked_rows(opened.blocked).opened_rows.item() == 0);
}

TEST_CASE("masks of attention: what does not fit") {
  CHECK_THROWS_AS(ops::blocked_where_negative(Tensor{}), std::invalid_argument);
  CHECK_THROWS_AS(ops::blocked_where_negative(Tensor::zeros({2}, DType::i64)), std::invalid_argument);
  CHECK_THROWS_AS(ops::open_blocked_rows(Tensor::zeros({2, 3}, DType::f32)), std::invalid_argument);
  CHECK_THROWS_AS(ops::open_blocked_rows(Tensor::zeros({2, 0}, DType::u8)), std::invalid_argument);
}

}  // namespace
