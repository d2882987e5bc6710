#include "tensor/ops/sampling/random_points.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tensor/error.h"

namespace {

using namespace rein;

TEST_CASE("random points: uniform in the unit square, half a Philox block each") {
  const std::vector<ops::PointStream> stream{{RandomKey(1).child("match")}};
  const Tensor points = ops::random_points(stream, 10000);
  REQUIRE(points.shape() == Shape{1, 10000, 2});
  const float* p = points.data<float>();
  double x = 0, y = 0, xy = 0;
  for (std::size_t i = 0; i < 20000; i += 2) {
    CHECK((p[i] >= 0 && p[i] < 1 && p[i + 1] >= 0 && p[i + 1] < 1));
    x += p[i], y += p[i + 1], xy += (p[i] - 0.5) * (p[i + 1] - 0.5);
  }
  CHECK(std::abs(x / 10000 - 0.5) < 0.012);  // four standard deviations
  CHECK(std::abs(y / 10000 - 0.5) < 0.012);
  CHECK(std::abs(xy / 10000) < 0.0034);
  const auto [seed, number] = std::pair{RandomKey(1).key(), stream[0].key.stream()};
  const auto block = philox({3, 0, static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(number >> 32)},
                            {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  for (std::size_t i = 0; i < 4; ++i) CHECK(p[12 + i] == static_cast<float>(block[i] >> 8) * 0x1p-24F);
}

TEST_CASE("random points: rows begin anywhere in their streams") {
  const RandomKey a(1), b = RandomKey(2).child("b");
  const std::vector<ops::PointStream> whole{{a}, {b}}, parts{{b, 101}, {a, 0}, {a, 30}, {a, 1}};
  const Tensor all = ops::random_points(whole, 3000), some = ops::random_points(parts, 1023);
  for (std::int64_t i = 0; i < 2 * 1023; ++i) {
    CHECK(some.at(i) == all.at(2 * (3000 + 101) + i));
    CHECK(some.at(2 * 1023 + i) == all.at(i));
    CHECK(some.at(4 * 1023 + i) == all.at(60 + i));
    CHECK(some.at(6 * 1023 + i) == all.at(2 + i));
  }
  CHECK(ops::random_points({}, 5).shape() == Shape{0, 5, 2});
  CHECK(ops::random_points(whole, 0).shape() == Shape{2, 0, 2});
  CHECK_THROWS_AS(ops::random_points(whole, -1), std::invalid_argument);
  CHECK_THROWS_AS(ops::random_points(std::vector<ops::PointStream>{{a, -1}}, 1), std::invalid_argument);
}

}  // namespace
