#include "autograd/cases/attention/rope_cases.h"

#include <cmath>

#include "autograd/cases/case.h"
#include "autograd/ops/attention/rope.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"

namespace rein::testing {

ops::RopeTable some_rope_table(std::int64_t rows, std::int64_t half, ops::RopePairs pairs, DType dtype) {
  const Tensor angles = random_uniform(RandomKey(11), {rows, half}, -3, 3, DType::f64);
  Tensor cos = Tensor::empty_like(angles), sin = Tensor::empty_like(angles);
  for (std::int64_t i = 0; i < angles.count(); ++i) {
    cos.mutable_data<double>()[i] = std::cos(angles.at(i));
    sin.mutable_data<double>()[i] = std::sin(angles.at(i));
  }
  return {ops::cast(ops::cast(cos, DType::f32), dtype), ops::cast(ops::cast(sin, DType::f32), dtype), pairs};
}

}  // namespace rein::testing

namespace {

using namespace rein;
using namespace rein::testing;
using ops::RopePairs;
using ops::RopeTable;

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
      const auto table = [=](DType dtype) { return some_rope_table(s.rows, s.head / 2, pairs, dtype); };
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
                    return Outs{
                        rope(v[0], some_rope_table(1024, 32, pairs, v[0].dtype()).to(v[0].value().device()), 2048)};
                  },
              .bench_only = true,
              .bytes = 8.0 * 1025 * 3072});
  }
});

}  // namespace
