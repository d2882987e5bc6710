#include "tensor/ops/elementwise/elementwise.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/cases/elementwise/elementwise_cases.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/record.h"
#include "tensor/error.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

TEST_CASE("elementwise agrees on every instruction set") {
  check_every_isa("elementwise");
}

TEST_CASE("activations in f32 stay within a few ulp from -7 to 13, on every instruction set") {
  const KeepIsa keep;
  for (const std::string& isa : available_isas()) {
    force_isa(isa);
    Tensor x = Tensor::empty({40001}, DType::f32);
    for (std::int64_t i = 0; i < x.count(); ++i) x.mutable_data<float>()[i] = static_cast<float>(i - 14000) * 5e-4f;
    for (const Activation& a : all_activations()) {
      const Tensor y = ops::unary(a.function, x);
      double worst = 0, at = 0;
      for (std::int64_t i = 0; i < x.count(); ++i) {
        const double wanted = a.value(x.at(i));
        // Relative everywhere: nothing here may cancel, the lower tail of gelu included (exp of arguments down to -30:
        // half an ulp of those is 1e-6; the fit is held less tightly there).
        const double allowed = x.at(i) < -1 ? 2e-5 : 5e-7;
        const double error = std::fabs(y.at(i) - wanted) / std::max(std::fabs(wanted), 1e-30) / allowed;
        if (!(error <= worst)) worst = error, at = x.at(i);
      }
      CAPTURE(isa);
      CAPTURE(std::string(a.name));
      CAPTURE(at);
      CHECK(worst <= 1);
    }
  }
}

TEST_CASE("activations pass NaN on and have the right limits") {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const KeepIsa keep;
  for (const std::string& isa : available_isas()) {
    force_isa(isa);
    for (const DType dtype : {DType::f32, DType::f64}) {
      for (const Activation& a : all_activations()) {
        CAPTURE(isa);
        CAPTURE(std::string(a.name));
        // Wide enough for full vectors and a tail.
        const Tensor y = ops::unary(a.function, Tensor::full({37}, nan, dtype));
        const Tensor g = ops::unary_backward(a.function, Tensor::full({37}, nan, dtype), Tensor::full({37}, 1, dtype));
        for (std::int64_t i = 0; i < 37; ++i) {
          CHECK(std::isnan(y.at(i)));
          CHECK(std::isnan(g.at(i)));
        }
        const double top = a.function == ops::Unary::sigmoid ? 1 : inf;
        CHECK(ops::unary(a.function, Tensor::full({33}, inf, dtype)).at(5) == top);
        const double large = a.function == ops::Unary::sigmoid ? 1 : 1000;
        CHECK(ops::unary(a.function, Tensor::full({33}, 1000, dtype)).at(32) == large);
        CHECK(std::fabs(ops::unary(a.function, Tensor::full({33}, -1000, dtype)).at(7)) < 1e-30);
        const Tensor one = Tensor::full({33}, 1, dtype);
        CHECK(ops::unary_backward(a.function, one, Tensor::full({33}, -1000, dtype)).at(32) == doctest::Approx(0));
        CHECK(ops::unary_backward(a.function, one, Tensor::full({33}, 1000, dtype)).at(32) ==
              doctest::Approx(a.function == ops::Unary::sigmoid ? 0 : 1));
      }
    }
  }
}

TEST_CASE("relu has gradient 0 at 0") {
  const Tensor zero = Tensor::zeros({33}, DType::f32);
  CHECK(ops::unary_backward(ops::Unary::relu, Tensor::full({33}, 1, DType::f32), zero).at(32) == 0);
}

TEST_CASE("activations keep nothing but x, mul only what the other gradient needs") {
  const Variable x = parameter(random_normal(RandomKey(1), {4, 8}, 0, 1));
  const Variable y = gelu(x);
  REQUIRE(y.impl()->node->saved_bytes.size() == 1);
  CHECK(y.impl()->node->saved_bytes[0].storage == x.value().storage().get());
  const Variable c = constant(random_normal(RandomKey(2), {4, 8}, 0, 1));
  const Variable z = mul(x, c);
  REQUIRE(z.impl()->node->saved_bytes.size() == 1);
  CHECK(z.impl()->node->saved_bytes[0].storage == c.value().storage().get());
  CHECK(add(x, x).impl()->node->saved_bytes.empty());
}

TEST_CASE("elementwise gives the same bits for any number of threads") {
  const Tensor x = random_normal(RandomKey(4), {1031, 577}, 0, 1), g = random_normal(RandomKey(5), {1031, 577}, 0, 1);
  const Tensor b = random_normal(RandomKey(6), {577}, 0, 1);
  check_same_bits_for_any_threads([&] {
    return std::vector{ops::unary(ops::Unary::gelu, x),
                       ops::unary_backward(ops::Unary::silu, g, x),
                       ops::mul(x, g),
                       ops::mul_broadcast(x, b),
                       ops::sum_leading(g, {577}),
                       ops::mul_sum_leading(g, x, {577})};
  });
}

TEST_CASE("elementwise takes empty tensors, and a sum over no rows is zero") {
  const Tensor none = Tensor::zeros({0, 5}, DType::f32), b = Tensor::full({5}, 1, DType::f32);
  CHECK(ops::unary(ops::Unary::gelu, none).shape() == Shape{0, 5});
  CHECK(ops::add(none, none).count() == 0);
  CHECK(ops::mul_broadcast(none, b).count() == 0);
  CHECK(ops::sum_leading(none, {5}).to_doubles() == std::vector<double>(5, 0.0));
}

TEST_CASE("elementwise names the shapes and dtypes it got") {
  const Tensor a = Tensor::zeros({2, 3}, DType::f32), b = Tensor::zeros({3, 2}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::add(a, b), "[add] operands must have one shape and dtype, got (2, 3) f32 and (3, 2) f32",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::add_broadcast(a, Tensor::zeros({2}, DType::f32)),
                       "[add_broadcast] b must have the last dimensions of x, got (2); x is (2, 3)",
                       std::invalid_argument);
  CHECK_THROWS_AS(ops::mul(a, Tensor::zeros({2, 3}, DType::f64)), std::invalid_argument);
  CHECK_THROWS_AS(ops::unary(ops::Unary::gelu, Tensor::zeros({2}, DType::i64)), std::invalid_argument);
  CHECK_THROWS_AS(ops::unary(ops::Unary::gelu, Tensor{}), std::invalid_argument);
}

}  // namespace
