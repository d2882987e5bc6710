#include "autograd/cases/shape/reduce_cases.h"

#include <algorithm>

#include "autograd/cases/case.h"
#include "autograd/ops/shape/reduce.h"
#include "tensor/ops/shape/reduce.h"

namespace rein::testing {

Tensor reduce_loops(const Tensor& x, int axis, const std::function<double(const std::vector<double>&)>& fold) {
  std::int64_t outer = 1, inner = 1;
  std::vector<std::int64_t> rest;
  for (int i = 0; i < x.rank(); ++i) {
    if (i == axis) continue;
    (i < axis ? outer : inner) *= x.size(i);
    rest.push_back(x.size(i));
  }
  Tensor y = Tensor::empty(Shape(std::span<const std::int64_t>(rest)), DType::f64);
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t c = 0; c < inner; ++c) {
      std::vector<double> values;
      for (std::int64_t k = 0; k < x.size(axis); ++k) values.push_back(x.at((o * x.size(axis) + k) * inner + c));
      y.mutable_data<double>()[o * inner + c] = fold(values);
    }
  return y;
}

double plain_sum(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum;
}

}  // namespace rein::testing

namespace {

using namespace rein;
using namespace rein::testing;
double plain_max(const std::vector<double>& values) {
  return *std::max_element(values.begin(), values.end());
}

const Cases cases("reduce", [](CaseList& list) {
  const auto add = [&](const std::string& label, const Shape& x, std::function<Variable(const Variable&)> run,
                       std::function<Tensor(const Tensor&)> reference) {
    list.add({.label = label + " " + x.text(),
              .inputs = {normal("x", x, 0.5)},
              .run = [run](Vars v) { return Outs{run(v[0])}; },
              .reference = [reference](Refs t) { return std::vector{reference(t[0])}; },
              .f32_tolerance = 2e-6,
              .f32_grad_tolerance = 1e-6,
              .why = "f32 sums of up to 200 terms of order one"});
  };
  for (const Shape& x : {Shape{1}, Shape{31}, Shape{3, 33}, Shape{2, 3, 4, 5}}) {
    const auto flat = [](const Tensor& t) { return t.view({t.count()}); };
    add(
        "sum", x, [](const Variable& v) { return sum(v); },
        [=](const Tensor& t) { return reduce_loops(flat(t), 0, plain_sum); });
    add(
        "mean", x, [](const Variable& v) { return mean(v); },
        [=](const Tensor& t) {
          return reduce_loops(flat(t), 0, [](const auto& v) { return plain_sum(v) / static_cast<double>(v.size()); });
        });
  }
  for (const Shape& x : {Shape{1, 1, 1}, Shape{3, 4, 5}, Shape{2, 31, 33}, Shape{1, 200, 2}, Shape{20, 3, 19}}) {
    for (const int axis : {0, 1, 2}) {
      const std::string at = " along " + std::to_string(axis);
      add(
          "sum" + at, x, [=](const Variable& v) { return sum_axis(v, axis); },
          [=](const Tensor& t) { return reduce_loops(t, axis, plain_sum); });
      add(
          "mean" + at, x, [=](const Variable& v) { return mean_axis(v, axis - 3); },
          [=](const Tensor& t) {
            return reduce_loops(t, axis, [](const auto& v) { return plain_sum(v) / static_cast<double>(v.size()); });
          });
      add(
          "max" + at, x, [=](const Variable& v) { return max_axis(v, axis); },
          [=](const Tensor& t) { return reduce_loops(t, axis, plain_max); });
    }
  }
  const auto bench = [&](const std::string& label, const Shape& x, std::function<Variable(const Variable&)> run) {
    list.add({.label = label + " " + x.text(),
              .inputs = {normal("x", x)},
              .run = [run](Vars v) { return Outs{run(v[0])}; },
              .bench_only = true,
              .bytes = 4.0 * static_cast<double>(x.count())});
  };
  bench("sum", {4096, 1024}, [](const Variable& v) { return sum(v); });
  bench("sum along 0", {4096, 1024}, [](const Variable& v) { return sum_axis(v, 0); });
  bench("sum along 1", {4096, 1024}, [](const Variable& v) { return sum_axis(v, 1); });
});

}  // namespace
