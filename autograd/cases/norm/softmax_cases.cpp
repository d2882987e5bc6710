#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/cases/case.h"
#include "autograd/ops/norm/norm.h"
#include "tensor/error.h"

namespace {

using namespace rein;
using namespace rein::testing;

Tensor softmax_loops(const Tensor& x, double factor) {
  Tensor y = Tensor::empty_like(x);
  const std::int64_t cols = x.size(-1);
  double* out = y.mutable_data<double>();
  for (std::int64_t r = 0; r < x.shape().rows(); ++r) {
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
    for (std::int64_t c = 0; c < cols; ++c) top = std::max(top, factor * x.at(r * cols + c));
    for (std::int64_t c = 0; c < cols; ++c) sum += std::exp(factor * x.at(r * cols + c) - top);
    for (std::int64_t c = 0; c < cols; ++c) {
      const double shifted = factor * x.at(r * cols + c) - top;
      out[r * cols + c] = std::exp(shifted) / sum;
    }
  }
  return y;
}

const Cases cases("softmax", [](CaseList& list) {
  for (const Shape& shape : {Shape{3, 2}, Shape{2, 19}, Shape{3, 31}, Shape{2, 3, 32}, Shape{2, 33}, Shape{4, 100}}) {
    for (const double factor : {1.0, 0.3}) {
      list.add({.label = concat_text(shape, " factor ", factor),
                .inputs = {normal("x", shape, 0, 2)},
                .run = [factor](Vars v) { return Outs{softmax(v[0], {.factor = factor})}; },
                .reference = [factor](Refs t) { return std::vector{softmax_loops(t[0], factor)}; },
                .f32_tolerance = 1e-6,
                .f32_grad_tolerance = 4e-6,
                .why = "exp within 1 ulp, arguments up to 12, sums of up to 100 terms; the gradient subtracts"});
    }
  }
  // One logit: the value is 1 and the gradient 0, exactly.
  list.add({.label = "(3, 1)",
            .inputs = {zero_gradient(normal("x", {3, 1}))},
            .run = [](Vars v) { return Outs{softmax(v[0])}; },
            .reference = [](Refs t) { return std::vector{softmax_loops(t[0], 1)}; },
            .why = "exact"});
  list.add({.label = "(3, 1025) wide logits",
            .inputs = {normal("x", {3, 1025}, 0, 10)},
            .run = [](Vars v) { return Outs{softmax(v[0])}; },
            .reference = [](Refs t) { return std::vector{softmax_loops(t[0], 1)}; },
            .f32_tolerance = 4e-6,
            .f32_grad_tolerance = 1e-5,
            .why = "differences of logits up to 60: half an ulp of them is 2e-6"});
  for (const Shape& shape : {Shape{8200, 100}, Shape{1025, 1025}})
    list.add({.label = shape.text(),
              .inputs = {normal("x", shape)},
              .run = [](Vars v) { return Outs{softmax(v[0])}; },
              .bench_only = true,
              .bytes = 8.0 * static_cast<double>(shape.count())});
});

}  // namespace
