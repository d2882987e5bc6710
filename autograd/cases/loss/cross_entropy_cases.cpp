#include <cmath>

#include "autograd/cases/case.h"
#include "autograd/ops/loss/loss.h"
#include "tensor/ops/loss/cross_entropy.h"

namespace {

using namespace rein;
using namespace rein::testing;

Tensor cross_entropy_loops(const Tensor& logits, const Tensor& labels, double divisor, std::int64_t ignore) {
  const std::int64_t classes = logits.size(-1);
  double loss = 0;
  for (std::int64_t r = 0; r < labels.count(); ++r) {
    const auto label = static_cast<std::int64_t>(labels.at(r));
    if (label == ignore) continue;
    double sum = 0;
    for (std::int64_t k = 0; k < classes; ++k) sum += std::exp(logits.at(r * classes + k));
    loss += std::log(sum) - logits.at(r * classes + label);
  }
  return Tensor::scalar(loss / divisor, DType::f64);
}

const Cases cases("cross_entropy", [](CaseList& list) {
  for (const Shape& shape : {Shape{1, 2}, Shape{5, 3}, Shape{2, 3, 4, 19}, Shape{7, 31}, Shape{3, 2, 32}, Shape{4, 33},
                             Shape{3, 150}, Shape{3}}) {
    const std::int64_t classes = shape[-1];
    const Shape rows(shape.sizes().first(static_cast<std::size_t>(shape.rank() - 1)));
    // Labels up to and including `classes`, which is the ignored one here.
    list.add({.label = shape.text(),
              .inputs = {normal("logits", shape, 0, 2),
                         integers("labels", rows, 0, shape.rank() == 1 || rows[0] == 1 ? classes : classes + 1)},
              .run = [=](Vars v) { return Outs{cross_entropy(v[0], v[1].value(), 2.5, classes)}; },
              .reference = [=](Refs t) { return std::vector{cross_entropy_loops(t[0], t[1], 2.5, classes)}; },
              .f32_tolerance = 1e-6,
              .f32_grad_tolerance = 2e-6,
              .why = "exp within 1 ulp, sums of up to 150 terms"});
  }
  list.add({.label = "label 0 ignored (6, 5)",
            .inputs = {normal("logits", {6, 5}), integers("labels", {6}, 0, 5)},
            .run = [](Vars v) { return Outs{cross_entropy(v[0], v[1].value(), 6, 0)}; },
            .reference = [](Refs t) { return std::vector{cross_entropy_loops(t[0], t[1], 6, 0)}; },
            .f32_tolerance = 1e-6,
            .f32_grad_tolerance = 2e-6,
            .why = "as above"});
  const Shape logits{1, 512, 512, 19};
  list.add({.label = logits.text(),
            .inputs = {normal("logits", logits), integers("labels", {1, 512, 512}, 0, 19)},
            .run = [](Vars v) { return Outs{cross_entropy(v[0], v[1].value(), 512 * 512)}; },
            .bench_only = true,
            .bytes = 4.0 * static_cast<double>(logits.count()) + 8.0 * 512 * 512});
});

}  // namespace
