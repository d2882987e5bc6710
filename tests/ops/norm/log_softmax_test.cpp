#include "tensor/ops/norm/log_softmax.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/ops/norm/norm.h"
#include "tensor/error.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

TEST_CASE("log_softmax agrees on every instruction set") {
  check_every_isa("log_softmax");
}

TEST_CASE("log_softmax takes logits of +-1000, -inf and NaN") {
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
      const Tensor y = ops::log_softmax(x);
      CHECK(y.at(3) == 0);
      CHECK(y.at(4) == -2000);
      CHECK(std::isinf(y.at(36)));
      CHECK(y.at(40) == doctest::Approx(-std::log(37.0)));
      for (const std::int64_t at : {5, 36}) {  // in a vector, and in the tail
        set(at, std::numeric_limits<double>::quiet_NaN());
        const Tensor bad = ops::log_softmax(x);
        for (std::int64_t i = 0; i < 37; ++i) CHECK(std::isnan(bad.at(i)));
        CHECK(bad.at(50) == y.at(50));
        set(at, 0);
      }
    }
  }
}

TEST_CASE("log_softmax gives the same bits for any number of threads") {
  const Tensor x = random_normal(RandomKey(1), {999, 123}, 0, 3), g = random_normal(RandomKey(2), {999, 123}, 0, 1);
  check_same_bits_for_any_threads([&] {
    const Tensor y = ops::log_softmax(x);
    return std::vector{y, ops::log_softmax_backward(g, y)};
  });
}

TEST_CASE("log_softmax takes no rows and no columns, and names what it got") {
  CHECK(ops::log_softmax(Tensor::zeros({0, 5}, DType::f32)).count() == 0);
  CHECK(ops::log_softmax(Tensor::zeros({5, 0}, DType::f32)).count() == 0);
  const Tensor x = Tensor::zeros({2, 3}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::log_softmax_backward(Tensor::zeros({3, 2}, DType::f32), x),
                       "[log_softmax_backward] grad_out must be like y (2, 3) f32, got (3, 2) f32",
                       std::invalid_argument);
  CHECK_THROWS_AS(ops::log_softmax(Tensor::scalar(1)), std::invalid_argument);
}

}  // namespace
