#include "tensor/ops/sampling/window_sum.h"

#include <doctest/doctest.h>

#include "tensor/random.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

TEST_CASE("windows are added at their place, and divided by how many saw a pixel") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    Tensor sum = Tensor::zeros({5, 7, 3}, dtype);
    const Tensor a = random_normal(RandomKey(1), {5, 4, 3}, 0, 1, dtype);
    const Tensor b = random_normal(RandomKey(2), {2, 5, 3}, 0, 1, dtype);
    ops::add_window(sum, a, 0, 0);
    ops::add_window(sum, b, 3, 2);
    Tensor counts = Tensor::full({5, 7}, 1, DType::i64);
    for (const std::int64_t p : {23, 24, 30, 31}) counts.mutable_data<std::int64_t>()[p] = 2;
    ops::divide_by_counts(sum, counts);
    for (std::int64_t y = 0; y < 5; ++y)
      for (std::int64_t x = 0; x < 7; ++x)
        for (std::int64_t c = 0; c < 3; ++c) {
          double expected = 0;
          int seen = 0;
          if (x < 4) expected += a.at((y * 4 + x) * 3 + c), ++seen;
          if (y >= 3 && x >= 2) expected += b.at(((y - 3) * 5 + x - 2) * 3 + c), ++seen;
          CHECK(sum.at((y * 7 + x) * 3 + c) == doctest::Approx(seen > 0 ? expected / seen : 0).epsilon(1e-6));
        }
  }
}

TEST_CASE("window sums: the same bits for any number of threads") {
  check_same_bits_for_any_threads([] {
    Tensor sum = Tensor::zeros({70, 60, 5}, DType::f32);
    for (const std::int64_t y : {0, 20, 30})
      ops::add_window(sum, random_normal(RandomKey(static_cast<std::uint64_t>(y)), {40, 50, 5}, 0, 1), y, y / 3);
    ops::divide_by_counts(sum, Tensor::full({70, 60}, 3, DType::i64));
    return std::vector{sum};
  });
}

TEST_CASE("window sums name what does not fit") {
  Tensor sum = Tensor::zeros({5, 7, 3}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::add_window(sum, Tensor::zeros({2, 2, 3}, DType::f32), 4, 0),
                       "[add_window] the window (2, 2, 3) at (4, 0) is not inside of (5, 7, 3)", std::invalid_argument);
  CHECK_THROWS_AS(ops::add_window(sum, Tensor::zeros({2, 2, 4}, DType::f32), 0, 0), std::invalid_argument);
  CHECK_THROWS_AS(ops::add_window(sum, Tensor::zeros({2, 2, 3}, DType::f64), 0, 0), std::invalid_argument);
  CHECK_THROWS_AS(ops::divide_by_counts(sum, Tensor::zeros({7, 5}, DType::i64)), std::invalid_argument);
}

}  // namespace
