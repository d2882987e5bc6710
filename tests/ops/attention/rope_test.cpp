#include "autograd/ops/attention/rope.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/cases/attention/rope_cases.h"
#include "autograd/record.h"
#include "tensor/error.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;
using ops::RopePairs;
using ops::RopeTable;

TEST_CASE("rope agrees on every instruction set") {
  check_every_isa("rope");
}

TEST_CASE("rope keeps lengths, and its backward is its inverse") {
  const Tensor x = random_normal(RandomKey(1), {2, 7, 36}, 0, 1, DType::f64);
  for (const RopePairs pairs : {RopePairs::interleaved, RopePairs::half}) {
    const RopeTable table = some_rope_table(6, 6, pairs, DType::f64);
    const Tensor y = ops::rope(x, table, 24), back = ops::rope_backward(y, table, 24);
    double before = 0, after = 0, worst = 0, moved = 0;
    for (std::int64_t i = 0; i < x.count(); ++i) {
      before += x.at(i) * x.at(i);
      after += y.at(i) * y.at(i);
      worst = std::max(worst, std::abs(back.at(i) - x.at(i)));
      moved = std::max(moved, std::abs(y.at(i) - x.at(i)));
    }
    CHECK(before == doctest::Approx(after).epsilon(1e-6));  // the tables hold f32 values
    CHECK(worst < 1e-6);
    CHECK(moved > 0.5);
  }
}

TEST_CASE("rope keeps nothing of x, only the tables") {
  const RopeTable table = some_rope_table(4, 2, RopePairs::half, DType::f32);
  const Variable y = rope(parameter(random_normal(RandomKey(1), {1, 5, 12}, 0, 1)), table, 8);
  std::size_t bytes = 0;
  for (const SavedBytes& s : y.impl()->node->saved_bytes) {
    CHECK((s.storage == table.cos.storage().get() || s.storage == table.sin.storage().get()));
    bytes += s.bytes;
  }
  CHECK(bytes == 2 * 4 * 2 * sizeof(float));
}

TEST_CASE("rope gives the same bits for any number of threads, and takes no rows") {
  const Tensor x = random_normal(RandomKey(4), {3, 257, 384}, 0, 1);
  for (const RopePairs pairs : {RopePairs::interleaved, RopePairs::half}) {
    const RopeTable table = some_rope_table(256, 32, pairs, DType::f32);
    check_same_bits_for_any_threads([&] {
      return std::vector{ops::rope(x, table, 256), ops::rope_backward(x, table, 256)};
    });
  }
  CHECK(ops::rope(Tensor::zeros({0, 257, 384}, DType::f32), some_rope_table(256, 32, RopePairs::half, DType::f32), 256)
            .count() == 0);
}

TEST_CASE("rope passes NaN on to its pair and no further") {
  Tensor x = Tensor::zeros({1, 2, 8}, DType::f32);
  x.mutable_data<float>()[8] = std::numeric_limits<float>::quiet_NaN();  // row 1, column 0
  const Tensor y = ops::rope(x, some_rope_table(1, 4, RopePairs::half, DType::f32), 8);
  for (std::int64_t i = 0; i < 16; ++i) CHECK(std::isnan(y.at(i)) == (i == 8 || i == 12));
}

TEST_CASE("rope names what does not fit") {
  const Tensor x = Tensor::zeros({2, 5, 12}, DType::f32);
  const auto table = [](std::int64_t rows, std::int64_t half) {
    return some_rope_table(rows, half, RopePairs::half, DType::f32);
  };
  CHECK_THROWS_WITH_AS(ops::rope(x, table(6, 2), 8), "[rope] the table has 6 rows, more than x (2, 5, 12)",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::rope(x, table(4, 2), 6),
                       "[rope] columns must be a multiple of the head width 4 and at most 12, got 6",
                       std::invalid_argument);
  CHECK_THROWS_AS(ops::rope(x, table(4, 2), 16), std::invalid_argument);
  CHECK_THROWS_AS(ops::rope(Tensor::zeros({5, 12}, DType::f32), table(4, 2), 8), std::invalid_argument);
  CHECK_THROWS_AS(ops::rope(Tensor::zeros({2, 5, 12}, DType::f64), table(4, 2), 8), std::invalid_argument);
  CHECK_THROWS_AS(ops::rope(x, {}, 8), std::invalid_argument);
}

}  // namespace
