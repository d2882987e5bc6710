#include "tensor/ops/elementwise/dropout.h"

#include <doctest/doctest.h>

#include "autograd/ops/elementwise/dropout.h"
#include "tensor/error.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;
using Unit = ops::DropoutMask::Unit;

TEST_CASE("four micro-batches get the masks of one batch of four") {
  const RandomKey key = RandomKey(3).child(17);
  const Tensor x = Tensor::full({4, 5, 6}, 1, DType::f32);
  for (const Unit unit : {Unit::element, Unit::channel, Unit::sample}) {
    const Tensor whole = ops::dropout(x, {.unit = unit, .p = 0.5, .key = key, .first_sample = 0});
    for (std::int64_t n = 0; n < 4; ++n)
      CHECK(same_bits(ops::dropout(x.rows(n, n + 1), {.unit = unit, .p = 0.5, .key = key, .first_sample = n}),
                      whole.rows(n, n + 1)));
  }
}

TEST_CASE("dropout drops about p, differs between keys and samples, and keeps the mean") {
  const Tensor x = Tensor::full({2, 20000}, 1, DType::f32);
  const Tensor a = ops::dropout(x, {.p = 0.2, .key = RandomKey(1)}),
               b = ops::dropout(x, {.p = 0.2, .key = RandomKey(2)});
  std::int64_t dropped = 0, same_key = 0, same_sample = 0;
  double sum = 0;
  for (std::int64_t i = 0; i < x.count(); ++i) {
    dropped += a.at(i) == 0;
    same_key += (a.at(i) == 0) == (b.at(i) == 0);
    if (i < 20000) same_sample += (a.at(i) == 0) == (a.at(i + 20000) == 0);
    sum += a.at(i);
  }
  // Binomial: 0.2 +- 0.002, agreement 0.68 +- 0.0023 and 0.0033.
  CHECK(static_cast<double>(dropped) / 40000 == doctest::Approx(0.2).epsilon(0.05));
  CHECK(sum / 40000 == doctest::Approx(1).epsilon(0.02));
  CHECK(static_cast<double>(same_key) / 40000 == doctest::Approx(0.68).epsilon(0.03));
  CHECK(static_cast<double>(same_sample) / 20000 == doctest::Approx(0.68).epsilon(0.03));
}

TEST_CASE("dropout gives the same bits for any number of threads; p of 0 is the identity") {
  const Tensor x = random_normal(RandomKey(1), {2, 301, 257}, 0, 1);
  check_same_bits_for_any_threads([&] {
    return std::vector{ops::dropout(x, {.p = 0.1, .key = RandomKey(5)}),
                       ops::dropout(x, {.unit = Unit::channel, .p = 0.1, .key = RandomKey(5)})};
  });
  const Variable v = parameter(x);
  CHECK(dropout(v, 0, {}).impl() == v.impl());
  CHECK(same_bits(ops::dropout(x, {.p = 0, .key = RandomKey(5)}), x));
}

TEST_CASE("dropout takes no rows, and names a bad p") {
  CHECK(ops::dropout(Tensor::zeros({0, 4}, DType::f32), {.p = 0.5}).count() == 0);
  const Variable v = parameter(Tensor::zeros({1, 4}, DType::f32));
  CHECK_THROWS_WITH_AS(drop_path(v, 1, {}), "[drop_path] p must be in [0, 1), got 1", std::invalid_argument);
  CHECK_THROWS_AS(ops::dropout(v.value(), {.p = -0.1}), std::invalid_argument);
  CHECK_THROWS_AS(ops::dropout(Tensor::zeros({4}, DType::f32), {.unit = Unit::channel, .p = 0.5}),
                  std::invalid_argument);
}

}  // namespace
