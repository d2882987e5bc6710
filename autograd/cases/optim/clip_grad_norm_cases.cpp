#include <algorithm>
#include <cmath>

#include "autograd/cases/case.h"
#include "tensor/error.h"
#include "tensor/ops/optim/clip_grad_norm.h"

namespace {

using namespace rein;
using namespace rein::testing;

std::vector<Tensor> rows_of_all(const Tensor& x) {
  std::vector<Tensor> rows;
  for (std::int64_t i = 0; i < x.size(0); ++i) rows.push_back(x.rows(i, i + 1));
  return rows;
}

// Each row of x is a tensor of its own: more of them than one launch takes, and of all alignments.
const Cases cases("clip_grad_norm", [](CaseList& list) {
  for (const double max_norm : {0.5, 1e6})
    for (const Shape& shape : {Shape{1, 1}, Shape{3, 33}, Shape{2, 9001}, Shape{600, 3}, Shape{3, 0}})
      list.add({.label = concat_text(shape, " to ", max_norm),
                .inputs = {frozen(normal("x", shape))},
                .run =
                    [=](Vars in) {
                      const Tensor x = in[0].value().clone();
                      auto rows = rows_of_all(x);
                      const Tensor norm = ops::clip_grad_norm(rows, max_norm);
                      return Outs{constant(x), constant(norm)};
                    },
                .reference =
                    [=](Refs t) {
                      Tensor x = t[0].clone();
                      double squares = 0;
                      for (std::int64_t i = 0; i < x.count(); ++i) squares += x.at(i) * x.at(i);
                      const double factor = max_norm / (std::sqrt(squares) + 1e-6);
                      for (std::int64_t i = 0; i < x.count(); ++i) x.mutable_data<double>()[i] *= std::min(1.0, factor);
                      return std::vector{x, Tensor::scalar(std::sqrt(squares), DType::f64)};
                    },
                .f32_tolerance = 2e-7,
                .why = "one rounding of the factor and one of the product; the norm is f64",
                .check_gradient = false,
                .bytes = 12.0 * static_cast<double>(shape.count())});
});

}  // namespace
