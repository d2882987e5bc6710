#include "autograd/cases/case.h"
#include "autograd/ops/matmul/matmul.h"
#include "tensor/error.h"
#include "tensor/ops/matmul/linear.h"
#include "tensor/random.h"

namespace {

using namespace rein;
using namespace rein::testing;

// y = x w^T (+ b)
Tensor linear_loops(const Tensor& x, const Tensor& w, const Tensor& b) {
  const std::int64_t n = w.size(0), k = w.size(1);
  Tensor y = Tensor::zeros(x.shape().with(-1, n), DType::f64);
  for (std::int64_t i = 0; i < y.count(); ++i) {
    double sum = b ? b.at(i % n) : 0;
    for (std::int64_t j = 0; j < k; ++j) sum += x.at(i / n * k + j) * w.at(i % n * k + j);
    y.mutable_data<double>()[i] = sum;
  }
  return y;
}

const Cases cases("linear", [](CaseList& list) {
  for (const auto& [x, n] : {std::pair{Shape{1, 1}, 1}, std::pair{Shape{4}, 3}, std::pair{Shape{2, 5, 7}, 6},
                             std::pair{Shape{3, 31}, 33}, std::pair{Shape{2, 2, 2, 32}, 19}}) {
    list.add({.label = concat_text(x, " to ", n),
              .inputs = {normal("x", x), normal("weight", {n, x[-1]}), normal("bias", {n})},
              .run = [](Vars v) { return Outs{linear(v[0], v[1], v[2])}; },
              .reference = [](Refs t) { return std::vector{linear_loops(t[0], t[1], t[2])}; },
              .f32_tolerance = 2e-6,
              .f32_grad_tolerance = 5e-6,
              .why = "sums of at most 33 products of order one in f32"});
  }
  list.add({.label = "no bias, frozen weight",
            .inputs = {normal("x", {3, 5}), frozen(normal("weight", {4, 5}))},
            .run = [](Vars v) { return Outs{linear(v[0], v[1])}; },
            .reference = [](Refs t) { return std::vector{linear_loops(t[0], t[1], {})}; },
            .f32_tolerance = 2e-6,
            .f32_grad_tolerance = 5e-6,
            .why = "sums of 5 products of order one in f32"});
  for (const auto& [k, n] : {std::pair{192, 576}, std::pair{768, 3072}, std::pair{3072, 768}, std::pair{1024, 4096}})
    list.add({.label = concat_text("(1025, ", k, ") to ", n),
              .inputs = {normal("x", {1025, k}), normal("weight", {n, k}), normal("bias", {n})},
              .run = [](Vars v) { return Outs{linear(v[0], v[1], v[2])}; },
              .bench_only = true,
              .flops = 2.0 * 1025 * k * n,
              .bytes = 4.0 * (1025.0 * k + 1.0 * k * n + 1025.0 * n)});
});

}  // namespace
