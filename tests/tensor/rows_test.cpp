#include "tensor/rows.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

using rein::flat_rows_of;
using rein::Rows;
using rein::rows_of;
using rein::Shape;
using rein::Tensor;

namespace {

Tensor counting(const Shape& shape) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < shape.count(); ++i) values.push_back(static_cast<double>(i));
  return Tensor::from(values, shape);
}

double element(const Rows& r, std::int64_t batch, std::int64_t row, std::int64_t col) {
  return r.data<double>()[batch * r.batch_pitch + row * r.row_pitch + col];
}

}  // namespace

TEST_CASE("rows: the last dimension is columns, the one before rows, the others batches") {
  const Rows one = rows_of(counting({4}));
  CHECK(one.batches == 1);
  CHECK(one.rows == 1);
  CHECK(one.cols == 4);
  const Rows two = rows_of(counting({3, 4}));
  CHECK(two.batches == 1);
  CHECK(two.rows == 3);
  const Rows four = rows_of(counting({2, 3, 4, 5}));
  CHECK(four.batches == 6);
  CHECK(four.rows == 4);
  CHECK(four.cols == 5);
  CHECK(element(four, 5, 3, 4) == 119.0);
}

TEST_CASE("rows: a class token is skipped and q, k, v are read inside a packed qkv") {
  const std::int64_t tokens = 5, width = 4;
  const Tensor qkv = counting({2, tokens, 3 * width});
  const Rows k = rows_of(qkv, {1, -1}, {width, 2 * width});
  CHECK(k.batches == 2);
  CHECK(k.rows == tokens - 1);
  CHECK(k.cols == width);
  for (std::int64_t n = 0; n < k.batches; ++n) {
    for (std::int64_t l = 0; l < k.rows; ++l) {
      for (std::int64_t c = 0; c < k.cols; ++c) {
        CHECK(element(k, n, l, c) == qkv.at((n * tokens + l + 1) * 3 * width + width + c));
      }
    }
  }
}

TEST_CASE("rows: flat rows merge all leading dimensions") {
  const Rows r = flat_rows_of(counting({2, 3, 4}), {1, 3});
  CHECK(r.batches == 1);
  CHECK(r.rows == 6);
  CHECK(r.cols == 2);
  CHECK(r.row_pitch == 4);
  CHECK(element(r, 0, 5, 1) == 22.0);
}

TEST_CASE("rows: writes reach the tensor, which is kept alive") {
  Rows r;
  {
    Tensor t = Tensor::zeros({2, 3}, rein::DType::f32);
    r = rows_of(t, {1, 2}, {2, 3});
    r.mutable_data<float>()[0] = 7;
    CHECK(t.at(5) == 7.0);
  }
  CHECK(r.data<float>()[0] == 7.0f);
  CHECK(r.tensor.owns_storage_alone());
  CHECK_FALSE(static_cast<bool>(Rows{}));
}

TEST_CASE("rows: ranges are checked; empty ones are allowed") {
  const Tensor t = counting({2, 3, 4});
  CHECK(rows_of(t, {3, 3}).rows == 0);
  CHECK(rows_of(t, {0, -1}, {4, -1}).cols == 0);
  CHECK_THROWS_WITH_AS(rows_of(t, {0, 4}), "[rows] row range [0, 4) is outside of 3; tensor is (2, 3, 4)",
                       std::invalid_argument);
  CHECK_THROWS_AS(rows_of(t, {2, 1}), std::invalid_argument);
  CHECK_THROWS_AS(rows_of(t, {-1, 1}), std::invalid_argument);
  CHECK_THROWS_AS(rows_of(t, {}, {0, 5}), std::invalid_argument);
  CHECK_THROWS_AS(rows_of(Tensor::scalar(1)), std::invalid_argument);
}
