#include "autograd/cases/case.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/residual.h"

namespace {

using namespace rein;
using namespace rein::testing;

// x + gamma * y from row `first` of each (L, C) matrix on; gamma of C elements, one, or none.
Tensor residual_loops(const Tensor& x, const Tensor& y, const Tensor& gamma, std::int64_t first = 0) {
  Tensor out = Tensor::empty_like(x);
  const std::int64_t cols = x.size(-1), length = x.rank() >= 2 ? x.size(-2) : 1;
  for (std::int64_t i = 0; i < x.count(); ++i) {
    const double factor = i / cols % length < first ? 0 : gamma ? gamma.at(i % gamma.count()) : 1;
    out.mutable_data<double>()[i] = x.at(i) + factor * y.at(i);
  }
  return out;
}

const Cases cases("residual", [](CaseList& list) {
  for (const Shape& shape : {Shape{1, 1}, Shape{3, 31}, Shape{2, 5, 32}, Shape{2, 2, 3, 33}}) {
    list.add({.label = shape.text(),
              .inputs = {normal("x", shape), normal("y", shape), uniform("gamma", {shape[-1]}, 0.5, 1.5)},
              .run = [](Vars v) { return Outs{residual(v[0], v[1], v[2])}; },
              .reference = [](Refs t) { return std::vector{residual_loops(t[0], t[1], t[2])}; },
              .f32_tolerance = 2e-7,
              .f32_grad_tolerance = 1e-6,
              .why = "one fused multiply-add; sums of up to 12 terms"});
  }
  list.add({.label = "no gamma",
            .inputs = {normal("x", {2, 3, 5}), normal("y", {2, 3, 5})},
            .run = [](Vars v) { return Outs{residual(v[0], v[1])}; },
            .reference = [](Refs t) { return std::vector{residual_loops(t[0], t[1], {})}; },
            .f32_tolerance = 2e-7,
            .f32_grad_tolerance = 1e-6,
            .why = "one addition"});
  list.add({.label = "frozen gamma and x",
            .inputs = {frozen(normal("x", {2, 3, 5})), normal("y", {2, 3, 5}), frozen(normal("gamma", {5}))},
            .run = [](Vars v) { return Outs{residual(v[0], v[1], v[2])}; },
            .reference = [](Refs t) { return std::vector{residual_loops(t[0], t[1], t[2])}; },
            .f32_tolerance = 2e-7,
            .f32_grad_tolerance = 1e-6,
            .why = "one fused multiply-add"});
  for (const std::int64_t first : {0, 1, 3, 7}) {
    for (const Shape& shape : {Shape{1, 7, 1}, Shape{2, 7, 5}}) {
      const bool all = first == 7;  // no row is left: y and scale are reached by zeros
      const auto zero_if_all = [&](CaseInput input) { return all ? zero_gradient(std::move(input)) : input; };
      list.add(
          {.label = concat_text("scaled ", shape, " from row ", first),
           .inputs = {normal("x", shape), zero_if_all(normal("y", shape)), zero_if_all(uniform("scale", {}, 0.5, 1.5))},
           .run = [first](Vars v) { return Outs{scaled_residual(v[0], v[1], v[2], first)}; },
           .reference = [first](Refs t) { return std::vector{residual_loops(t[0], t[1], t[2], first)}; },
           .f32_tolerance = 2e-7,
           .f32_grad_tolerance = 2e-6,
           .why = "one fused multiply-add; a sum of up to 70 terms that may cancel"});
    }
  }
  list.add({.label = "scaled, no scale",
            .inputs = {normal("x", {2, 4, 3}), normal("y", {2, 4, 3})},
            .run = [](Vars v) { return Outs{scaled_residual(v[0], v[1], {}, 1)}; },
            .reference = [](Refs t) { return std::vector{residual_loops(t[0], t[1], {}, 1)}; },
            .f32_tolerance = 2e-7,
            .f32_grad_tolerance = 1e-6,
            .why = "one addition"});
  for (const Shape& shape : {Shape{1025, 1024}, Shape{4, 1025, 1024}})
    list.add({.label = shape.text(),
              .inputs = {normal("x", shape), normal("y", shape), normal("gamma", {1024})},
              .run = [](Vars v) { return Outs{residual(v[0], v[1], v[2])}; },
              .bench_only = true,
              .bytes = 12.0 * static_cast<double>(shape.count())});
});

}  // namespace
