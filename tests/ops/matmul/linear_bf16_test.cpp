// The host's side of linear_bf16: what it refuses. Its values and gradients: cuda_mixed_test.cpp.
#include "tensor/ops/matmul/linear_bf16.h"

#include <doctest/doctest.h>

#include "autograd/ops/matmul/mixed.h"

using namespace rein;

TEST_CASE("linear_bf16 is for devices alone, and says what does not fit") {
  using doctest::Contains;
  const Tensor x = Tensor::zeros({2, 3}, DType::bf16), w = Tensor::zeros({4, 3}, DType::bf16);
  const Tensor wide = Tensor::zeros({2, 3}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::linear_bf16(x, w, true, {}, DType::f32), Contains("on CUDA only"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::linear_bf16(wide, w, true, {}, DType::f32), Contains("x and weight must be bf16, got f32"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::linear_bf16(x, w, false, {}, DType::f32),
                       Contains("weight must have shape (3, N), got (4, 3)"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::linear_bf16(x, w, true, {}, DType::f64), Contains("makes f32 or bf16, got f64"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::linear_bf16_backward(wide, {}, {}, true, {}), Contains("needs x and weight in bf16"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(linear_bf16(constant(x), {parameter(w), w}, true, {}, DType::f32),
                       Contains("a trained weight must be f32"), std::invalid_argument);
}
