#include <cmath>

#include "autograd/cases/case.h"
#include "autograd/ops/sampling/point_sample.h"
#include "tensor/ops/loss/mask_point_loss.h"

namespace {

using namespace rein;
using namespace rein::testing;

std::vector<Tensor> loss_loops(const Tensor& z, const Tensor& g, double bce_divisor, double dice_divisor) {
  double bce = 0, dice = 0;
  for (std::int64_t t = 0; t < z.size(0); ++t) {
    double both = 0, either = 0;
    for (std::int64_t i = t * z.size(1); i < (t + 1) * z.size(1); ++i) {
      const double s = 1 / (1 + std::exp(-z.at(i)));
      bce -= g.at(i) * std::log(s) + (1 - g.at(i)) * std::log(1 - s);
      both += s * g.at(i);
      either += s + g.at(i);
    }
    dice += 1 - (2 * both + 1) / (either + 1);
  }
  return {Tensor::scalar(bce / bce_divisor, DType::f64), Tensor::scalar(dice / dice_divisor, DType::f64)};
}

const Cases cases("mask_point_loss", [](CaseList& list) {
  for (const Shape& shape : {Shape{1, 1}, Shape{3, 31}, Shape{2, 33}, Shape{4, 100}, Shape{1, 2100}}) {
    list.add({.label = shape.text(),
              .inputs = {normal("z", shape, 0, 3), frozen(uniform("g", shape, 0, 1))},
              .run =
                  [](Vars v) {
                    const MaskPointLosses losses = mask_point_losses(v[0], v[1].value(), 3.5, 2.5);
                    return Outs{losses.bce, losses.dice};
                  },
              .reference = [](Refs t) { return loss_loops(t[0], t[1], 3.5, 2.5); },
              .f32_tolerance = 2e-6,
              .f32_grad_tolerance = 4e-6,
              .why = "sums of up to 1024 points in f32"});
  }
  list.add({.label = "20 masks of a step (20, 12544)",
            .inputs = {normal("z", {20, 12544}, 0, 3), frozen(uniform("g", {20, 12544}, 0, 1))},
            .run =
                [](Vars v) {
                  const MaskPointLosses losses = mask_point_losses(v[0], v[1].value(), 12544 * 20, 20);
                  return Outs{losses.bce, losses.dice};
                },
            .bench_only = true,
            .flops = 20.0 * 12544 * 40,
            .bytes = 20.0 * 12544 * 8});
});

}  // namespace
