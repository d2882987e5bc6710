#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/cases/case.h"
#include "autograd/ops/norm/norm.h"

namespace {

using namespace rein;
using namespace rein::testing;

Tensor log_softmax_loops(const Tensor& x) {
  Tensor y = Tensor::empty_like(x);
  const std::int64_t cols = x.size(-1);
  for (std::int64_t r = 0; r < x.shape().rows(); ++r) {
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
    for (std::int64_t c = 0; c < cols; ++c) top = std::max(top, x.at(r * cols + c));
    for (std::int64_t c = 0; c < cols; ++c) sum += std::exp(x.at(r * cols + c) - top);
    for (std::int64_t c = 0; c < cols; ++c)
      y.mutable_data<double>()[r * cols + c] = x.at(r * cols + c) - top - std::log(sum);
  }
  return y;
}

const Cases cases("log_softmax", [](CaseList& list) {
  for (const Shape& shape : {Shape{3, 2}, Shape{2, 19}, Shape{3, 31}, Shape{2, 3, 32}, Shape{2, 33}, Shape{4, 100}})
    list.add({.label = shape.text(),
              .inputs = {normal("x", shape, 0, 2)},
              .run = [](Vars v) { return Outs{log_softmax(v[0])}; },
              .reference = [](Refs t) { return std::vector{log_softmax_loops(t[0])}; },
              .f32_tolerance = 1e-6,
              .f32_grad_tolerance = 4e-6,
              .why = "exp within 1 ulp, sums of up to 100 terms"});
  // One logit: the value and the gradient are 0, exactly.
  list.add({.label = "(3, 1)",
            .inputs = {zero_gradient(normal("x", {3, 1}))},
            .run = [](Vars v) { return Outs{log_softmax(v[0])}; },
            .reference = [](Refs t) { return std::vector{log_softmax_loops(t[0])}; },
            .why = "exact"});
  list.add({.label = "(8200, 100)",
            .inputs = {normal("x", {8200, 100})},
            .run = [](Vars v) { return Outs{log_softmax(v[0])}; },
            .bench_only = true,
            .bytes = 8.0 * 8200 * 100});
});

}  // namespace
