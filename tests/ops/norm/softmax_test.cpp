#include "tensor/ops/norm/softmax.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/ops/norm/softmax.h"
#include "tensor/error.h"
#include "tests/ops/same_bits.h"

using namespace rein;
using namespace rein::testing;

namespace {

Tensor softmax_loops(const Tensor& x, double factor, bool logarithm) {
  Tensor y = Tensor::empty_like(x);
  const std::int64_t cols = x.size(-1);
  double* out = y.mutable_data<double>();
  for (std::int64_t r = 0; r < x.shape().rows(); ++r) {
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
    for (std::int64_t c = 0; c < cols; ++c) top = std::max(top, factor * x.at(r * cols + c));
    for (std::int64_t c = 0; c < cols; ++c) sum += std::exp(factor * x.at(r * cols + c) - top);
    for (std::int64_t c = 0; c < cols; ++c) {
      const double shifted = factor * x.at(r * cols + c) - top;
      out[r * cols + c] = logarithm ? shifted - std::log(sum) : std::exp(shifted) / sum;
    }
  }
  return y;
}

const Cases cases("softmax", [](CaseList& list) {
  for (const Shape& shape : {Shape{3, 2}, Shape{2, 19}, Shape{3, 31}, Shape{2, 3, 32}, Shape{2, 33}, Shape{4, 100}}) {
    for (const double factor : {1.0, 0.3}) {
      list.add({.label = concat_text(shape, " factor ", factor),
                .inputs = {normal("x", shape, 0, 2)},
                .run = [factor](Vars v) { return Outs{softmax(v[0], factor)}; },
                .reference = [factor](Refs t) { return std::vector{softmax_loops(t[0], factor, false)}; },
                .f32_tolerance = 1e-6,
                .f32_grad_tolerance = 4e-6,
                .why = "exp within 1 ulp, arguments up to 12, sums of up to 100 terms; the gradient subtracts"});
    }
    list.add({.label = concat_text("log ", shape),
              .inputs = {normal("x", shape, 0, 2)},
              .run = [](Vars v) { return Outs{log_softmax(v[0])}; },
              .reference = [](Refs t) { return std::vector{softmax_loops(t[0], 1, true)}; },
              .f32_tolerance = 1e-6,
              .f32_grad_tolerance = 4e-6,
              .why = "exp within 1 ulp, sums of up to 100 terms"});
  }
  // One logit: the value is 1 and the gradient 0, exactly.
  list.add({.label = "(3, 1)",
            .inputs = {zero_gradient(normal("x", {3, 1}))},
            .run = [](Vars v) { return Outs{softmax(v[0])}; },
            .reference = [](Refs t) { return std::vector{softmax_loops(t[0], 1, false)}; },
            .why = "exact"});
  list.add({.label = "(3, 1025) wide logits",
            .inputs = {normal("x", {3, 1025}, 0, 10)},
            .run = [](Vars v) { return Outs{softmax(v[0])}; },
            .reference = [](Refs t) { return std::vector{softmax_loops(t[0], 1, false)}; },
            .f32_tolerance = 4e-6,
            .f32_grad_tolerance = 1e-5,
            .why = "differences of logits up to 60: half an ulp of them is 2e-6"});
  for (const Shape& shape : {Shape{8200, 100}, Shape{1025, 1025}})
    list.add({.label = shape.text(),
              .inputs = {normal("x", shape)},
              .run = [](Vars v) { return Outs{softmax(v[0])}; },
              .bench_only = true,
              .bytes = 8.0 * static_cast<double>(shape.count())});
});

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
      const Tensor y = ops::softmax(x, 1), l = ops::log_softmax(x);
      CHECK(y.at(3) == 1);
      CHECK(y.at(4) == 0);
      CHECK(y.at(36) == 0);
      CHECK(l.at(4) == -2000);
      CHECK(y.at(40) == doctest::Approx(1.0 / 37));
      for (const std::int64_t at : {5, 36}) {  // in a vector, and in the tail
        set(at, std::numeric_limits<double>::quiet_NaN());
        const Tensor bad = ops::softmax(x, 1), bad_log = ops::log_softmax(x);
        for (std::int64_t i = 0; i < 37; ++i) {
          CHECK(std::isnan(bad.at(i)));
          CHECK(std::isnan(bad_log.at(i)));
        }
        CHECK(bad.at(50) == y.at(50));
        set(at, 0);
      }
    }
  }
}

TEST_CASE("softmax gives the same bits for any number of threads") {
  const Tensor x = random_normal(RandomKey(1), {999, 123}, 0, 3), g = random_normal(RandomKey(2), {999, 123}, 0, 1);
  check_same_bits_for_any_threads([&] {
    const Tensor y = ops::softmax(x, 0.5), l = ops::log_softmax(x);
    return std::vector{y, l, ops::softmax_backward(g, y, 0.5), ops::log_softmax_backward(g, l)};
  });
}

TEST_CASE("softmax takes no rows and no columns, and names what it got") {
  CHECK(ops::softmax(Tensor::zeros({0, 5}, DType::f32), 1).count() == 0);
  CHECK(ops::softmax(Tensor::zeros({5, 0}, DType::f32), 1).count() == 0);
  const Tensor x = Tensor::zeros({2, 3}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::softmax_backward(Tensor::zeros({3, 2}, DType::f32), x, 1),
                       "[softmax_backward] grad_out must be like y (2, 3) f32, got (3, 2) f32", std::invalid_argument);
  CHECK_THROWS_AS(ops::softmax(x, 0), std::invalid_argument);
  CHECK_THROWS_AS(ops::softmax(Tensor::scalar(1), 1), std::invalid_argument);
}

}  // namespace
