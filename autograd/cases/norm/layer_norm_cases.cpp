#include <cmath>

#include "autograd/cases/case.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/norm/norm.h"
#include "tensor/ops/elementwise/elementwise.h"
#include "tensor/ops/norm/layer_norm.h"

namespace {

using namespace rein;
using namespace rein::testing;

Tensor layer_norm_loops(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const std::int64_t rows = x.shape().rows(), cols = x.shape().cols();
  Tensor y = Tensor::empty_like(x);
  for (std::int64_t r = 0; r < rows; ++r) {
    double mean = 0, variance = 0;
    for (std::int64_t c = 0; c < cols; ++c) mean += x.at(r * cols + c) / static_cast<double>(cols);
    for (std::int64_t c = 0; c < cols; ++c)
      variance += std::pow(x.at(r * cols + c) - mean, 2) / static_cast<double>(cols);
    for (std::int64_t c = 0; c < cols; ++c) {
      y.mutable_data<double>()[r * cols + c] =
          (x.at(r * cols + c) - mean) / std::sqrt(variance + eps) * weight.at(c) + bias.at(c);
    }
  }
  return y;
}

const Cases cases("layer_norm", [](CaseList& list) {
  for (const Shape& shape : {Shape{1, 2}, Shape{3, 31}, Shape{2, 5, 32}, Shape{2, 3, 33}, Shape{7, 100}}) {
    const Shape c{shape[-1]};
    // eps of 0.1 is large enough to matter; weight and bias are of order one, never 1 and 0.
    list.add({.label = shape.text(),
              .inputs = {normal("x", shape, 0.5, 2), uniform("weight", c, 0.5, 1.5), normal("bias", c)},
              .run = [](Vars v) { return Outs{layer_norm(v[0], v[1], v[2], 0.1)}; },
              .reference = [](Refs t) { return std::vector{layer_norm_loops(t[0], t[1], t[2], 0.1)}; },
              .f32_tolerance = 2e-6,
              .f32_grad_tolerance = 1e-5,
              .why = "two sums of up to 100 terms of order one in f32"});
  }
  // As in a block: x goes on beside its norm, so the norm's gradient is added to one that is there already.
  for (const Shape& shape : {Shape{3, 31}, Shape{2, 5, 36}})
    list.add(
        {.label = shape.text() + " beside a residual",
         .inputs = {normal("x", shape, 0.5, 2), uniform("weight", {shape[-1]}, 0.5, 1.5), normal("bias", {shape[-1]})},
         .run =
             [](Vars v) {
               const Variable x = scale(v[0], 1.5);
               return Outs{add(x, layer_norm(x, v[1], v[2], 0.1))};
             },
         .reference =
             [](Refs t) {
               const Tensor x = ops::scale(t[0], 1.5);
               return std::vector{ops::add(x, layer_norm_loops(x, t[1], t[2], 0.1))};
             },
         .f32_tolerance = 2e-6,
         .f32_grad_tolerance = 1e-5,
         .why = "as without"});
  for (const Shape& shape : {Shape{1370, 1024}, Shape{4, 1025, 1024}})
    list.add({.label = shape.text(),
              .inputs = {normal("x", shape), uniform("weight", {1024}, 0.5, 1.5), normal("bias", {1024})},
              .run = [](Vars v) { return Outs{layer_norm(v[0], v[1], v[2], 1e-6)}; },
              .bench_only = true,
              .flops = 8.0 * static_cast<double>(shape.count()),
              .bytes = 8.0 * static_cast<double>(shape.count())});
});

}  // namespace
