#include "data/scenes/noise.h"

namespace rein::data::scenes {
namespace {

float ease(float t) {
  return t * t * (3 - 2 * t);
}

// A weak hash of lattice coordinates is enough between smooth steps.
std::uint32_t corner(std::uint32_t h) {
  h ^= h >> 15;
  h *= 0x2C1B3C6Du;
  return h ^ (h >> 12);
}

constexpr std::uint32_t step_x = 0x8DA6B343u, step_y = 0xD8163841u, step_z = 0xCB1AB31Fu;

}  // namespace

float noise2(float x, float y, std::uint32_t seed) {
  const int ix = floor_int(x), iy = floor_int(y);
  const float fx = ease(x - static_cast<float>(ix)), fy = ease(y - static_cast<float>(iy));
  const std::uint32_t base =
      static_cast<std::uint32_t>(ix) * step_x + static_cast<std::uint32_t>(iy) * step_y + seed * 0x9E3779B9u;
  const float a = unit(corner(base)), b = unit(corner(base + step_x));
  const float c = unit(corner(base + step_y)), d = unit(corner(base + step_x + step_y));
  return mix(mix(a, b, fx), mix(c, d, fx), fy);
}

float noise3(Vec3 p, std::uint32_t seed) {
  const int iz = floor_int(p.z);
  const float fz = ease(p.z - static_cast<float>(iz));
  const std::uint32_t layer = static_cast<std::uint32_t>(iz) * step_z;
  return mix(noise2(p.x, p.y, seed + layer), noise2(p.x, p.y, seed + layer + step_z), fz);
}

float fbm2(float x, float y, std::uint32_t seed, int octaves) {
  float sum = 0, weight = 0.5f, all = 0;
  for (int i = 0; i < octaves; ++i) {
    sum += weight * noise2(x, y, seed + static_cast<std::uint32_t>(i));
    all += weight;
    weight *= 0.5f;
    x = x * 2.03f + 17.1f;
    y = y * 1.97f - 9.3f;
  }
  return sum / all;
}

}  // namespace rein::data::scenes
