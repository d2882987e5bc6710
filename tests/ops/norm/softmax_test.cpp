#include "tensor/ops/norm/softmax.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/ops/norm/norm.h"
#include "tensor/error.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

TEST_CASE("softmax agrees on every instruction set") {
  check_every_isa("softmax");
}

TEST_CASE("softmax takes logits of +-1000, -inf and NaN") {
  const double inf = std::numeric_limits<double>::infinity();
  const KeepIsa keep;
  for (const std::string& isa : available_isas()) {
    force_isa(isa);
    CAPTURE(isa);
    for (const DType dtype : {DType::f32, DType::f64}) {
      Tensor x = Tensor::full({2, 37}, -1000, dtype);
      const auto set = [&](std::int64_t i, double v) {
        x.rows(i / 37, i / 37 + 1).view({37}).rows(i % 37, i % 37 + 1).fill(v);
      };
      set(3, 1000);
      set(36, -inf);
      const Tensor y = ops::softmax(x);
      CHECK(y.at(3) == 1);
      CHECK(y.at(4) == 0);
      CHECK(y.at(36) == 0);
      CHECK(y.at(40) == doctest::Approx(1.0 / 37));
      for (const std::int64_t at : {5, 36}) {  // in a vector, and in the tail
        set(at, std::numeric_limits<double>::quiet_NaN());
        const Tensor bad = ops::softmax(x);
        for (std::int64_t i = 0; i < 37; ++i) CHECK(std::isnan(bad.at(i)));
        CHECK(bad.at(50) == y.at(50));
        set(at, 0);
      }
    }
  }
}

TEST_CASE("softmax gives the same bits for any number of threads") {
  const Tensor x = random_normal(RandomKey(1), {999, 123}, 0, 3), g = random_normal(RandomKey(2), {999, 123}, 0, 1);
  check_same_bits_for_any_threads([&] {
    const Tensor y = ops::softmax(x, {.factor = 0.5});
    return std::vector{y, ops::softmax_backward(g, y, {.factor = 0.5})};
  });
}

TEST_CASE("softmax takes no rows and no columns, and names what it got") {
  CHECK(ops::softmax(Tensor::zeros({0, 5}, DType::f32)).count() == 0);
  CHECK(ops::softmax(Tensor::zeros({5, 0}, DType::f32)).count() == 0);
  const Tensor x = Tensor::zeros({2, 3}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::softmax_backward(Tensor::zeros({3, 2}, DType::f32), x),
                       "[softmax_backward] grad_out must be like y (2, 3) f32, got (3, 2) f32", std::invalid_argument);
  CHECK_THROWS_AS(ops::softmax(x, {.factor = 0}), std::invalid_argument);
  CHECK_THROWS_AS(ops::softmax(Tensor::scalar(1)), std::invalid_argument);
}

}  // namespace
