#include "tensor/ops/shape/gather_rows.h"

#include <doctest/doctest.h>

#include "autograd/cases/case.h"
#include "autograd/ops/shape/gather_rows.h"
#include "tensor/error.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

Tensor gather_loops(const Tensor& x, const Tensor& index) {
  const std::int64_t n = x.size(0), length = x.size(1), c = x.size(2), taken = index.size(1);
  Tensor y = Tensor::empty({n, taken, c}, x.dtype());
  for (std::int64_t i = 0; i < y.count(); ++i) {
    const std::int64_t place = i / c;  // in the index
    y.mutable_data<double>()[i] = x.at((place / taken * length + index.data<std::int64_t>()[place]) * c + i % c);
  }
  return y;
}

struct Sizes {
  std::int64_t n, length, taken, c;
};

// Every row once, in an order of its own per sequence.
Tensor shuffled(std::int64_t n, std::int64_t length) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t k = 0; k < length; ++k) all.push_back((k * (length - 1) + i) % length);
  return Tensor::from(all, Shape{n, length});
}

const Cases cases("gather_rows", [](CaseList& list) {
  for (const Sizes& s : {Sizes{1, 1, 1, 1}, Sizes{2, 6, 3, 5}, Sizes{3, 4, 9, 2}, Sizes{2, 5, 5, 33}})
    list.add({.label = concat_text(s.taken, " of (", s.n, ", ", s.length, ", ", s.c, ")"),
              .inputs = {normal("x", {s.n, s.length, s.c}), integers("index", {s.n, s.taken}, 0, s.length)},
              .run = [](Vars v) { return Outs{gather_rows(v[0], v[1].value())}; },
              .reference = [](Refs t) { return std::vector{gather_loops(t[0], t[1])}; },
              .f32_tolerance = 0,
              .f32_grad_tolerance = 1e-6,
              .why = "copies; gradients are sums of up to 9 terms"});
  list.add({.label = "all of (2, 7, 3), each once",
            .inputs = {normal("x", {2, 7, 3}), fixed("index", shuffled(2, 7))},
            .run = [](Vars v) { return Outs{gather_rows(v[0], v[1].value())}; },
            .reference = [](Refs t) { return std::vector{gather_loops(t[0], t[1])}; },
            .f32_tolerance = 0,
            .f32_grad_tolerance = 0,
            .why = "copies"});
  list.add({.label = "64 of (64, 256, 128)",
            .inputs = {normal("x", {64, 256, 128}), integers("index", {64, 64}, 0, 256)},
            .run = [](Vars v) { return Outs{gather_rows(v[0], v[1].value())}; },
            .bench_only = true,
            .bytes = 4.0 * 2 * 64 * 64 * 128});
});

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
