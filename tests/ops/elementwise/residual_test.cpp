#include "tensor/ops/elementwise/residual.h"

#include <doctest/doctest.h>

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/record.h"
#include "tensor/error.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

TEST_CASE("residual agrees on every instruction set") {
  check_every_isa("residual");
}

TEST_CASE("residual gives the same bits for any number of threads") {
  const Tensor x = random_normal(RandomKey(1), {2, 301, 129}, 0, 1),
               y = random_normal(RandomKey(2), {2, 301, 129}, 0, 1);
  const Tensor gamma = random_normal(RandomKey(3), {129}, 0, 1), scale = Tensor::scalar(0.3);
  check_same_bits_for_any_threads([&] {
    const auto a = ops::residual_backward(x, y, gamma, {});
    const auto b = ops::scaled_residual_backward(x, y, scale, 1, {});
    return std::vector{ops::residual(x, y, gamma), ops::scaled_residual(x, y, scale, 1), a.y, a.gamma, b.y, b.scale};
  });
}

TEST_CASE("residual keeps y only for a trained gamma or scale") {
  const Variable x = parameter(Tensor::zeros({1, 2, 3}, DType::f32)),
                 y = parameter(Tensor::zeros({1, 2, 3}, DType::f32));
  const Variable gamma = constant(Tensor::full({3}, 2, DType::f32)), s = constant(Tensor::scalar(2));
  for (const Variable& out : {residual(x, y), residual(x, y, gamma), scaled_residual(x, y, s, 1)})
    for (const SavedBytes& saved : out.impl()->node->saved_bytes) CHECK(saved.storage != y.value().storage().get());
}

TEST_CASE("residual takes no rows, and names what it got") {
  const Tensor none = Tensor::zeros({0, 3, 4}, DType::f32), x = Tensor::zeros({2, 3, 4}, DType::f32);
  CHECK(ops::residual(none, none, {}).count() == 0);
  CHECK(ops::scaled_residual(none, none, {}, 1).count() == 0);
  CHECK(ops::scaled_residual_backward(none, none, Tensor::scalar(1), 0, {}).scale.item() == 0);
  CHECK_THROWS_WITH_AS(ops::residual(x, x, Tensor::zeros({3}, DType::f32)),
                       "[residual] gamma must have shape (4) and x's dtype, got (3) f32; x is (2, 3, 4)",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::scaled_residual(x, x, {}, 4),
                       "[scaled_residual] first_row must be in [0, 3], got 4; x is (2, 3, 4)", std::invalid_argument);
  CHECK_THROWS_AS(ops::residual(x, Tensor::zeros({2, 3, 5}, DType::f32), {}), std::invalid_argument);
  CHECK_THROWS_AS(ops::scaled_residual(x, x, Tensor::zeros({1}, DType::f32), 0), std::invalid_argument);
}

}  // namespace
