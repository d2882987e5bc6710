#include <cmath>

#include "autograd/cases/case.h"
#include "tensor/ops/optim/adamw.h"

namespace {

using namespace rein;
using namespace rein::testing;

// Rows of four tensors (rows, cols), each row a parameter of its own with its own rate, decay and step: starts of all
// alignments, and more parameters than one launch takes.
std::vector<ops::AdamWUpdate> updates_of(const Tensor& param, const Tensor& grad, const Tensor& m, const Tensor& v) {
  std::vector<ops::AdamWUpdate> updates;
  for (std::int64_t i = 0; i < param.size(0); ++i)
    updates.push_back({param.rows(i, i + 1), grad.rows(i, i + 1), m.rows(i, i + 1), v.rows(i, i + 1),
                       0.01 / static_cast<double>(i + 1), i % 2 == 0 ? 0.05 : 0.0, i % 7 + 1});
  return updates;
}

std::vector<Tensor> adamw_loops(Refs t, const ops::AdamWOptions& o) {
  std::vector<Tensor> out{t[0].clone(), t[2].clone(), t[3].clone()};
  double *p = out[0].mutable_data<double>(), *m = out[1].mutable_data<double>(), *v = out[2].mutable_data<double>();
  const auto updates = updates_of(t[0], t[1], t[2], t[3]);
  for (std::int64_t i = 0; i < t[0].count(); ++i) {
    const ops::AdamWUpdate& u = updates[static_cast<std::size_t>(i / t[0].size(1))];
    const double g = t[1].at(i), k = static_cast<double>(u.step);
    m[i] = o.beta1 * m[i] + (1 - o.beta1) * g;
    v[i] = o.beta2 * v[i] + (1 - o.beta2) * g * g;
    const double m_hat = m[i] / (1 - std::pow(o.beta1, k)), v_hat = v[i] / (1 - std::pow(o.beta2, k));
    p[i] += -u.lr * u.weight_decay * p[i] - u.lr * m_hat / (std::sqrt(v_hat) + o.eps);
  }
  return out;
}

const Cases cases("adamw", [](CaseList& list) {
  const ops::AdamWOptions options{.beta1 = 0.8, .beta2 = 0.99, .eps = 1e-6};
  for (const Shape& shape : {Shape{1, 1}, Shape{3, 33}, Shape{2, 8192}, Shape{2, 9001}, Shape{600, 3}, Shape{0, 3}})
    list.add({.label = shape.text(),
              .inputs = {frozen(normal("param", shape)), frozen(normal("grad", shape)), frozen(normal("m", shape)),
                         frozen(uniform("v", shape, 0, 1))},
              .run =
                  [=](Vars in) {
                    Tensor param = in[0].value().clone(), m = in[2].value().clone(), v = in[3].value().clone();
                    auto updates = updates_of(param, in[1].value(), m, v);
                    ops::adamw(updates, options);
                    return Outs{constant(param), constant(m), constant(v)};
                  },
              .reference = [=](Refs t) { return adamw_loops(t, options); },
              .f32_tolerance = 1e-6,
              .why = "ten roundings per element",
              .check_gradient = false,
              .bytes = 28.0 * static_cast<double>(shape.count())});
  const Shape real{24, 3 * 1024 * 1024};
  list.add({.label = "24 parameters of 3 M",
            .inputs = {frozen(normal("param", real)), frozen(normal("grad", real)), frozen(normal("m", real)),
                       frozen(uniform("v", real, 0, 1))},
            .run =
                [=](Vars in) {
                  Tensor param = in[0].value(), m = in[2].value(), v = in[3].value();
                  auto updates = updates_of(param, in[1].value(), m, v);
                  ops::adamw(updates, options);
                  return Outs{constant(param)};
                },
            .check_gradient = false,
            .bench_only = true,
            .bytes = 28.0 * static_cast<double>(real.count())});
});

}  // namespace
