#include <cmath>

#include "autograd/cases/case.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "tensor/ops/elementwise/swiglu.h"

namespace {

using namespace rein;
using namespace rein::testing;

Tensor swiglu_loops(const Tensor& x) {
  const std::int64_t cols = x.size(-1) / 2;
  Tensor y = Tensor::empty(x.shape().with(-1, cols), DType::f64);
  for (std::int64_t i = 0; i < y.count(); ++i) {
    const std::int64_t at = i / cols * 2 * cols + i % cols;
    y.mutable_data<double>()[i] = x.at(at) / (1 + std::exp(-x.at(at))) * x.at(at + cols);
  }
  return y;
}

const Cases cases("swiglu", [](CaseList& list) {
  for (const Shape& shape : {Shape{2}, Shape{3, 62}, Shape{2, 5, 32}, Shape{1, 66}, Shape{4, 10}, Shape{2, 3, 24}})
    list.add({.label = shape.text(),
              .inputs = {normal("x", shape, 0, 2)},
              .run = [](Vars v) { return Outs{swiglu(v[0])}; },
              .reference = [](Refs t) { return std::vector{swiglu_loops(t[0])}; },
              .f32_tolerance = 4e-7,
              .f32_grad_tolerance = 1e-6,
              .why = "a sigmoid within 3 ulp of f32 and two products"});
  list.add({.label = "EVA-02 L: (1025, 2 x 2730)",
            .inputs = {normal("x", {1025, 2 * 2730})},
            .run = [](Vars v) { return Outs{swiglu(v[0])}; },
            .bench_only = true,
            .bytes = 12.0 * 1025 * 2730});
});

}  // namespace
