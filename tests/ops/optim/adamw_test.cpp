#include "tensor/ops/optim/adamw.h"

#include <doctest/doctest.h>

#include "autograd/cases/case.h"

namespace {

using namespace rein;
using namespace rein::testing;

TEST_CASE("adamw names what does not fit") {
  const Tensor a = Tensor::zeros({2}, DType::f32), b = Tensor::zeros({3}, DType::f32);
  std::vector<ops::AdamWUpdate> updates{{a, b, a, a, 0.1, 0, 1}};
  CHECK_THROWS_WITH_AS(ops::adamw(updates, {}), "[adamw] grad must be like param (2) f32, got (3) f32",
                       std::invalid_argument);
  updates[0] = {a, a, a, Tensor{}, 0.1, 0, 1};
  CHECK_THROWS_AS(ops::adamw(updates, {}), std::invalid_argument);
  updates[0] = {a, a, a, a, 0.1, 0, 0};
  CHECK_THROWS_WITH_AS(ops::adamw(updates, {}), "[adamw] step must be at least 1, got 0", std::invalid_argument);
  CHECK_NOTHROW(ops::adamw({}, {}));
}

}  // namespace
