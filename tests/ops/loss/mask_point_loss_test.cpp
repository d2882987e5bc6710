#include "tensor/ops/loss/mask_point_loss.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/cases/case.h"
#include "autograd/ops/sampling/point_sample.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

TEST_CASE("mask_point_loss on every instruction set") {
  check_every_isa("mask_point_loss");
}

TEST_CASE("large logits neither overflow nor lose the small side") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    Tensor z = Tensor::full({1, 4}, 0, dtype), g = Tensor::full({1, 4}, 0, dtype);
    const std::vector<double> values{500, -500, 80, -80};
    for (std::int64_t i = 0; i < 4; ++i) {
      if (dtype == DType::f32)
        z.mutable_data<float>()[i] = static_cast<float>(values[static_cast<std::size_t>(i)]);
      else
        z.mutable_data<double>()[i] = values[static_cast<std::size_t>(i)];
    }
    const ops::MaskPointLoss loss = ops::mask_point_loss(z, g, 1, 1);
    CHECK(loss.bce.item() == doctest::Approx(580));
    const Tensor one = Tensor::scalar(1, dtype);
    const Tensor grad = ops::mask_point_loss_backward(one, {}, z, g, loss.sums, 1, 1);
    CHECK(grad.at(0) == 1);
    CHECK(grad.at(3) == doctest::Approx(std::exp(-80.0)));
  }
}

TEST_CASE("no masks: both losses are 0") {
  const Tensor none = Tensor::empty({0, 7}, DType::f32);
  const Variable z = parameter(none);
  const MaskPointLosses losses = mask_point_losses(z, none, 1, 1);
  CHECK(losses.bce.value().item() == 0);
  CHECK(losses.dice.value().item() == 0);
  backward(losses.dice);
  CHECK(z.grad().shape() == Shape{0, 7});
}

TEST_CASE("mask_cost_terms: sigmoid and the sums of softplus and sigmoid") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor z = random_normal(RandomKey(1), {3, 2100}, 0, 4, dtype);
    const ops::MaskCostTerms terms = ops::mask_cost_terms(z);
    const double tolerance = dtype == DType::f32 ? 1e-6 : 1e-14;
    for (std::int64_t q = 0; q < 3; ++q) {
      double softplus = 0, sigmoid = 0;
      for (std::int64_t i = q * 2100; i < (q + 1) * 2100; ++i) {
        softplus += std::max(z.at(i), 0.0) + std::log1p(std::exp(-std::abs(z.at(i))));
        const double s = 1 / (1 + std::exp(-z.at(i)));
        sigmoid += s;
        CHECK(std::abs(terms.sigmoid.at(i) - s) <= tolerance);
      }
      CHECK(std::abs(terms.sums.at(2 * q) / softplus - 1) <= tolerance);
      CHECK(std::abs(terms.sums.at(2 * q + 1) / sigmoid - 1) <= tolerance);
    }
  }
}

TEST_CASE("mask_point_loss names what does not fit") {
  const Tensor z = Tensor::zeros({2, 3}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::mask_point_loss(z, Tensor::zeros({2, 4}, DType::f32), 1, 1),
                       "[mask_point_loss] g must be f32 (2, 3) like z, got (2, 4)", std::invalid_argument);
  CHECK_THROWS_AS(ops::mask_point_loss(z, z, 0, 1), std::invalid_argument);
}

}  // namespace
