// The outlines of surfaces that are not simply their polygon or sphere. Labels follow them exactly.
#include "data/scenes/noise.h"
#include "data/scenes/render/raster.h"

namespace rein::data::scenes {
namespace {

bool outside_sign(const Surface& s, const Polygon& p, float u, float v) {
  const float x = 2 * u / p.width - 1, y = 2 * v / p.height - 1;
  switch (static_cast<int>(s.p)) {
    case 0:
      return x * x + y * y > 1;
    case 1:
      return std::abs(x) > (1 - y) / 2;  // a triangle on its base
    case 3:
      return std::abs(x) + std::abs(y) > 1.05f;  // a diamond
    default:
      return false;
  }
}

bool above_skyline(const Surface& s, float u, float v) {
  if (s.p > 0) {  // roofs of a town
    const int house = floor_int(u / 9 + noise2(u * 0.05f, 0, s.seed));
    return v > s.q * (0.35f + 0.65f * unit(hash(house, 3, s.seed)));
  }
  const float hills = 0.35f + 0.4f * noise2(u * 0.012f, 0, s.seed) + 0.25f * noise2(u * 0.15f, 5, s.seed);
  return v > s.q * hills;
}

}  // namespace

bool is_hole(const Surface& s, const Polygon& p, float u, float v) {
  switch (s.material) {
    case Material::planks: {
      if (s.q != 1) return false;
      const float across = std::abs(fraction(u / s.p) - 0.5f);  // pointed tops with narrow gaps
      return v > p.height - 0.5f * s.p * across * 2 || (across > 0.44f && v > 0.2f * p.height);
    }
    case Material::bars:
      return fraction(u / s.p) * s.p > s.q && std::abs(v - p.height + 0.06f) > 0.06f && std::abs(v - 0.12f) > 0.06f;
    case Material::skyline:
      return above_skyline(s, u - 500, v);
    case Material::wheel:
    case Material::ring: {
      const float r = p.width / 2, x = u - r, y = v - r;
      return x * x + y * y > r * r;
    }
    case Material::sign:
      return outside_sign(s, p, u, v);
    default:
      return false;
  }
}

bool is_hole(const Surface& s, Vec3 p, float rim) {
  const Vec3 leaf = p * (1.6f / s.p);
  const float n = noise3(leaf, s.seed);
  if (rim < 0.75f * s.q * n + 0.08f) return true;
  return n * noise3(leaf * 2.3f, s.seed + 9) > 0.62f;  // a gap between leaves
}

}  // namespace rein::data::scenes
