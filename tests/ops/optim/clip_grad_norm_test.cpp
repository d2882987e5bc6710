#include "tensor/ops/optim/clip_grad_norm.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/cases/case.h"
#include "tensor/error.h"

namespace {

using namespace rein;
using namespace rein::testing;

TEST_CASE("clip_grad_norm leaves all alone when the norm is not finite, and takes both dtypes") {
  std::vector<Tensor> all{Tensor::full({2}, 3, DType::f32), Tensor::full({1}, 4, DType::f64)};
  CHECK(ops::grad_norm(all).item() == doctest::Approx(std::sqrt(34.0)));
  CHECK(ops::grad_norm({}).item() == 0);
  all[0].mutable_data<float>()[1] = NAN;
  CHECK(std::isnan(ops::clip_grad_norm(all, 1).item()));
  CHECK(all[1].item() == 4);
  CHECK_THROWS_WITH_AS(ops::clip_grad_norm(all, 0), "[clip_grad_norm] max_norm must be above 0, got 0",
                       std::invalid_argument);
}

}  // namespace
