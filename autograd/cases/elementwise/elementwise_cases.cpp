#include "autograd/cases/elementwise/elementwise_cases.h"

#include <algorithm>
#include <cmath>

#include "autograd/cases/case.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/elementwise.h"

namespace {

using namespace rein;
using namespace rein::testing;

template <class F>
Tensor map_loops(const Tensor& x, F&& f) {
  Tensor y = Tensor::empty_like(x);
  for (std::int64_t i = 0; i < x.count(); ++i) y.mutable_data<double>()[i] = f(x.at(i));
  return y;
}

template <class F>
Tensor zip_loops(const Tensor& x, const Tensor& b, F&& f) {
  Tensor y = Tensor::empty_like(x);
  for (std::int64_t i = 0; i < x.count(); ++i) y.mutable_data<double>()[i] = f(x.at(i), b.at(i % b.count()));
  return y;
}

double logistic(double x) {
  return 1 / (1 + std::exp(-x));
}

const Activation activations[] = {
    {"relu", ops::Unary::relu, relu, [](double x) { return std::max(x, 0.0); }},
    {"gelu", ops::Unary::gelu, gelu, [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }},
    {"gelu_tanh", ops::Unary::gelu_tanh, gelu_tanh,
     [](double x) { return x * logistic(2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)); }},
    {"silu", ops::Unary::silu, silu, [](double x) { return x * logistic(x); }},
    {"sigmoid", ops::Unary::sigmoid, sigmoid, logistic},
    {"quick_gelu", ops::Unary::quick_gelu, quick_gelu, [](double x) { return x * logistic(1.702 * x); }}};

}  // namespace

namespace rein::testing {

std::span<const Activation> all_activations() {
  return activations;
}

}  // namespace rein::testing

namespace {

const Cases unary_cases("elementwise", [](CaseList& list) {
  for (const Activation& a : activations) {
    for (const Shape& shape : {Shape{1}, Shape{31}, Shape{2, 16}, Shape{3, 1, 11}}) {
      // Kinks: relu has one at 0; the others get values on both branches of erf (|x| < sqrt 2).
      list.add({.label = concat_text(a.name, " ", shape),
                .inputs = {away_from("x", shape, 0, 0.01)},
                .run = [f = a.variable](Vars v) { return Outs{f(v[0])}; },
                .reference = [f = a.value](Refs t) { return std::vector{map_loops(t[0], f)}; },
                .f32_tolerance = 4e-7,
                .f32_grad_tolerance = 1e-6,
                .why = "functions within 3 ulp of f32"});
    }
    list.add({.label = concat_text(a.name, " (1025, 4096)"),
              .inputs = {normal("x", {1025, 4096})},
              .run = [f = a.variable](Vars v) { return Outs{f(v[0])}; },
              .bench_only = true,
              .bytes = 8.0 * 1025 * 4096});
  }
});

const Cases binary_cases("elementwise", [](CaseList& list) {
  struct Op {
    const char* name;
    Variable (*variable)(const Variable&, const Variable&);
    double (*value)(double, double);
    bool broadcast;
  };
  const Op ops[] = {{"add", add, [](double a, double b) { return a + b; }, false},
                    {"sub", sub, [](double a, double b) { return a - b; }, false},
                    {"mul", mul, [](double a, double b) { return a * b; }, false},
                    {"add_broadcast", add_broadcast, [](double a, double b) { return a + b; }, true},
                    {"mul_broadcast", mul_broadcast, [](double a, double b) { return a * b; }, true}};
  for (const Op& op : ops) {
    for (const auto& [x, b] : {std::pair{Shape{1, 1}, Shape{1}}, std::pair{Shape{3, 31}, Shape{31}},
                               std::pair{Shape{2, 3, 33}, Shape{3, 33}}, std::pair{Shape{2, 3, 5}, Shape{2, 3, 5}},
                               std::pair{Shape{7}, Shape{}}, std::pair{Shape{150, 3}, Shape{3}}}) {
      list.add({.label = concat_text(op.name, " ", x, " ", op.broadcast ? b : x),
                .inputs = {normal("x", x), normal("b", op.broadcast ? b : x)},
                .run = [f = op.variable](Vars v) { return Outs{f(v[0], v[1])}; },
                .reference = [f = op.value](Refs t) { return std::vector{zip_loops(t[0], t[1], f)}; },
                .f32_tolerance = 2e-7,
                .f32_grad_tolerance = 1e-6,
                .why = "one rounding; sums of up to 150 terms in the gradient of b"});
    }
  }
  list.add({.label = "mul of a variable with itself",
            .inputs = {normal("x", {5})},
            .run = [](Vars v) { return Outs{mul(v[0], v[0])}; },
            .reference = [](Refs t) { return std::vector{map_loops(t[0], [](double x) { return x * x; })}; },
            .f32_tolerance = 2e-7,
            .f32_grad_tolerance = 1e-6,
            .why = "one rounding"});
  list.add({.label = "scale (2, 33)",
            .inputs = {normal("x", {2, 33})},
            .run = [](Vars v) { return Outs{scale(v[0], -1.75)}; },
            .reference = [](Refs t) { return std::vector{map_loops(t[0], [](double x) { return -1.75 * x; })}; },
            .f32_tolerance = 2e-7,
            .f32_grad_tolerance = 1e-6,
            .why = "one rounding"});
});

}  // namespace
