#include "autograd/ops/attention/rope.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/record.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"
#include "tests/ops/same_bits.h"

using namespace rein;
using namespace rein::testing;

namespace {

using ops::RopePairs;
using ops::RopeTable;

// Angles of order one, different for every row and pair, so that no sine or cosine is near 0 or 1 throughout.
RopeTable table_of(std::int64_t rows, std::int64_t half, RopePairs pairs, DType dtype) {
  const Tensor angles = random_uniform(RandomKey(11), {rows, half}, -3, 3, DType::f64);
  Tensor cos = Tensor::empty_like(angles), sin = Tensor::empty_like(angles);
  for (std::int64_t i = 0; i < angles.count(); ++i) {
    cos.mutable_data<double>()[i] = std::cos(angles.at(i));
    sin.mutable_data<double>()[i] = std::sin(angles.at(i));
  }
  return {ops::cast(ops::cast(cos, DType::f32), dtype), ops::cast(ops::cast(sin, DType::f32), dtype), pairs};
}

Tensor rope_loops(const Tensor& x, const RopeTable& t, std::int64_t columns) {
  Tensor y = x.clone();
  const std::int64_t length = x.size(1), cols = x.size(2), rows = t.cos.size(0), half = t.cos.size(1);
  double* to = y.mutable_data<double>();
  for (std::int64_t n = 0; n < x.size(0); ++n)
    for (std::int64_t p = 0; p < rows; ++p)
      for (std::int64_t head = 0; head < columns / (2 * half); ++head)
        for (std::int64_t j = 0; j < half; ++j) {
          const std::int64_t at = (n * length + length - rows + p) * cols + head * 2 * half;
          const std::int64_t iu = at + (t.pairs == RopePairs::half ? j : 2 * j);
          const std::int64_t iv = at + (t.pairs == RopePairs::half ? half + j : 2 * j + 1);
          const double c = t.cos.at(p * half + j), s = t.sin.at(p * half + j), u = x.at(iu), v = x.at(iv);
          to[iu] = u * c - v * s;
          to[iv] = v * c + u * s;
        }
  return y;
}

struct Sizes {
  Shape x;
  std::int64_t rows, head, columns;
};

const Cases cases("rope", [](CaseList& list) {
  // Head widths around a vector's, rows kept and all rotated, columns that stay (v) and none, and a table of no row.
  const Sizes all[] = {{{1, 1, 2}, 1, 2, 2},    {{2, 5, 12}, 4, 4, 8},    {{2, 3, 36}, 3, 12, 24},
                       {{1, 4, 66}, 3, 66, 66}, {{2, 6, 62}, 5, 62, 62},  {{1, 3, 192}, 2, 64, 128},
                       {{2, 2, 12}, 1, 4, 0},   {{1, 5, 132}, 4, 44, 88}, {{2, 3, 8}, 0, 4, 8}};
  for (const RopePairs pairs : {RopePairs::interleaved, RopePairs::half}) {
    const std::string kind = pairs == RopePairs::half ? "half " : "interleaved ";
    for (const Sizes& s : all) {
      const auto table = [=](DType dtype) { return table_of(s.rows, s.head / 2, pairs, dtype); };
      list.add(
          {.label = concat_text(kind, s.x, " last ", s.rows, " rows, ", s.columns, " columns in heads of ", s.head),
           .inputs = {normal("x", s.x)},
           .run = [=](Vars v) { return Outs{rope(v[0], table(v[0].dtype()).to(v[0].value().device()), s.columns)}; },
           .reference = [=](Refs t) { return std::vector{rope_loops(t[0], table(DType::f64), s.columns)}; },
           .f32_tolerance = 3e-7,
           .f32_grad_tolerance = 3e-7,
           .why = "a product and a multiply-add"});
    }
    list.add({.label = kind + "(1025, 3072)",
              .inputs = {normal("x", {1, 1025, 3072})},
              .run =
                  [=](Vars v) {
                    return Outs{rope(v[0], table_of(1024, 32, pairs, v[0].dtype()).to(v[0].value().device()), 2048)};
                  },
              .bench_only = true,
              .bytes = 8.0 * 1025 * 3072});
  }
});

TEST_CASE("rope agrees on every instruction set") {
  check_every_isa("rope");
}

TEST_CASE("rope keeps lengths, and its backward is its inverse") {
  const Tensor x = random_normal(RandomKey(1), {2, 7, 36}, 0, 1, DType::f64);
  for (const RopePairs pairs : {RopePairs::interleaved, RopePairs::half}) {
    const RopeTable table = table_of(6, 6, pairs, DType::f64);
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
  const RopeTable table = table_of(4, 2, RopePairs::half, DType::f32);
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
    const RopeTable table = table_of(256, 32, pairs, DType::f32);
    check_same_bits_for_any_threads([&] {
      return std::vector{ops::rope(x, table, 256), ops::rope_backward(x, table, 256)};
    });
  }
  CHECK(ops::rope(Tensor::zeros({0, 257, 384}, DType::f32), table_of(256, 32, RopePairs::half, DType::f32), 256)
            .count() == 0);
}

TEST_CASE("rope passes NaN on to its pair and no further") {
  Tensor x = Tensor::zeros({1, 2, 8}, DType::f32);
  x.mutable_data<float>()[8] = std::numeric_limits<float>::quiet_NaN();  // row 1, column 0
  const Tensor y = ops::rope(x, table_of(1, 4, RopePairs::half, DType::f32), 8);
  for (std::int64_t i = 0; i < 16; ++i) CHECK(std::isnan(y.at(i)) == (i == 8 || i == 12));
}

TEST_CASE("rope names what does not fit") {
  const Tensor x = Tensor::zeros({2, 5, 12}, DType::f32);
  const auto table = [](std::int64_t rows, std::int64_t half) {
    return table_of(rows, half, RopePairs::half, DType::f32);
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
