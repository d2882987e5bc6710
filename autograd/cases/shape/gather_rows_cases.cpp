#include "autograd/cases/case.h"
#include "autograd/ops/shape/gather_rows.h"
#include "tensor/error.h"
#include "tensor/ops/shape/gather_rows.h"

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

}  // namespace
