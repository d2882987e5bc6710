// Textures: hashes of lattice points and smooth noise between them. Seeds come from the scene's random key.
#pragma once

#include <cstdint>

#include "data/scenes/vec.h"

namespace rein::data::scenes {

constexpr std::uint32_t hash(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x7FEB352Du;
  x ^= x >> 15;
  x *= 0x846CA68Bu;
  return x ^ (x >> 16);
}
constexpr std::uint32_t hash(std::uint32_t a, std::uint32_t b) {
  return hash(a + 0x9E3779B9u * b);
}
constexpr std::uint32_t hash(int a, int b, std::uint32_t seed) {
  return hash(hash(static_cast<std::uint32_t>(a) ^ seed), static_cast<std::uint32_t>(b));
}
constexpr float unit(std::uint32_t h) {  // [0, 1)
  return static_cast<float>(h >> 8) * 0x1p-24f;
}

float noise2(float x, float y, std::uint32_t seed);  // [0, 1), varies over about one unit
float noise3(Vec3 p, std::uint32_t seed);            // likewise
float fbm2(float x, float y, std::uint32_t seed, int octaves);

}  // namespace rein::data::scenes
