#include "tensor/random.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <stdexcept>

using rein::DType;
using rein::philox;
using rein::RandomKey;
using rein::Tensor;
using Counter = std::array<std::uint32_t, 4>;

TEST_CASE("philox: the known answers of the Random123 distribution") {
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random: a number depends on seed, path and element, and on nothing else") {
  const RandomKey key = RandomKey(7).child(3).child("backbone.blocks.0");
  const auto first = key.bits(11);
  key.bits(12);
  CHECK(key.bits(11) == first);
  CHECK(RandomKey(7).child(3).child("backbone.blocks.0").bits(11) == first);
  std::set<std::uint64_t> seen = {first};
  CHECK(seen.insert(key.bits(12)).second);
  CHECK(seen.insert(RandomKey(8).child(3).child("backbone.blocks.0").bits(11)).second);
  CHECK(seen.insert(RandomKey(7).child(4).child("backbone.blocks.0").bits(11)).second);
  CHECK(seen.insert(RandomKey(7).child(3).child("backbone.blocks.1").bits(11)).second);
  CHECK(seen.insert(RandomKey(7).child("backbone.blocks.0").child(3).bits(11)).second);
  CHECK(seen.insert(RandomKey(7).child(3).bits(11)).second);
  CHECK(seen.insert(RandomKey(7).child(3).child("").bits(11)).second);
  CHECK(seen.insert(RandomKey(7).child(3).child(0).bits(11)).second);
  CHECK(seen.insert(RandomKey(7).child(3).child("0").bits(11)).second);
  // Beyond 32 bits of element and seed.
  CHECK(seen.insert(key.bits(11 + (1ull << 32))).second);
  CHECK(seen.insert(RandomKey(7 + (1ull << 32)).child(3).child("backbone.blocks.0").bits(11)).second);
}

TEST_CASE("random: children do not collide over many names and numbers") {
  std::set<std::uint64_t> streams;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    streams.insert(RandomKey(0).child(i).stream());
    streams.insert(RandomKey(0).child("layer" + std::to_string(i)).stream());
    streams.insert(RandomKey(0).child(i).child(0).stream());
  }
  CHECK(streams.size() == 3000);
}

TEST_CASE("random: uniforms lie in [0, 1), are exact in f32, and have mean 1/2 and variance 1/12") {
  const RandomKey key(1);
  double sum = 0, squares = 0;
  const int n = 100'000;
  bool inside = true, exact = true;
  for (int i = 0; i < n; ++i) {
    const double u = key.uniform(static_cast<std::uint64_t>(i));
    inside = inside && u >= 0 && u < 1;
    exact = exact && static_cast<double>(static_cast<float>(u)) == u;
    sum += u;
    squares += (u - 0.5) * (u - 0.5);
  }
  CHECK(inside);
  CHECK(exact);
  CHECK(sum / n == doctest::Approx(0.5).epsilon(0.01));
  CHECK(squares / n == doctest::Approx(1.0 / 12).epsilon(0.01));
}

TEST_CASE("random: normals have the moments of the normal distribution") {
  const Tensor t = rein::random_normal(RandomKey(2), {100'000}, 3, 2, DType::f64);
  double mean = 0, variance = 0, fourth = 0;
  for (const double v : t.values<double>()) mean += v / 1e5;
  for (const double v : t.values<double>()) {
    variance += (v - mean) * (v - mean) / 1e5;
    fourth += std::pow((v - 3) / 2, 4) / 1e5;
  }
  CHECK(mean == doctest::Approx(3).epsilon(0.01));
  CHECK(variance == doctest::Approx(4).epsilon(0.02));
  CHECK(fourth == doctest::Approx(3).epsilon(0.05));
}

TEST_CASE("random: below hits every number about equally") {
  const RandomKey key(3);
  std::array<int, 7> hits{};
  for (std::uint64_t i = 0; i < 70'000; ++i) ++hits.at(key.below(i, 7));
  for (const int h : hits) CHECK(std::abs(h - 10'000) < 500);
  CHECK(key.below(5, 1) == 0);
  CHECK_THROWS_AS(key.below(0, 0), std::invalid_argument);
}

TEST_CASE("random: element i of a tensor is the key's number i; f32 is the rounded f64") {
  const RandomKey key = RandomKey(4).child("x");
  const Tensor d = rein::random_uniform(key, {3, 5}, -2, 5, DType::f64), f = rein::random_uniform(key, {15}, -2, 5);
  CHECK(f.dtype() == DType::f32);
  for (std::int64_t i = 0; i < 15; ++i) {
    CHECK(d.at(i) == key.uniform(static_cast<std::uint64_t>(i), -2, 5));
    CHECK(f.at(i) == static_cast<float>(d.at(i)));
  }
}
