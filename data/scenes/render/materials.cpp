#include "data/scenes/render/materials.h"

#include "data/scenes/noise.h"

namespace rein::data::scenes {
namespace {

Look masonry(const Surface& s, const Spot& spot) {
  Look look{s.a};
  const float height = s.p, length = s.q > 0 ? height * 6 : height * 2.2f;
  const float row = spot.v / height;
  const int r = floor_int(row);
  const float shift = (r & 1) != 0 ? length / 2 : 0, col = (spot.u + shift) / length;
  const float joint = std::min(0.014f, height * 0.12f);
  const float gaps = std::max(bands(spot.v, height, joint, spot.blur), bands(spot.u + shift, length, joint, spot.blur));
  const float own = unit(hash(r, floor_int(col), s.seed)) - 0.5f;
  look.albedo = look.albedo * (1 + spot.texture * (0.5f * own * detail(height, spot.blur) +
                                                   0.3f * (fbm2(spot.u * 0.8f, spot.v * 0.8f, s.seed, 2) - 0.5f)));
  look.albedo = mix(look.albedo, s.b, gaps * 0.8f);
  return look;
}

Look planks(const Surface& s, const Spot& spot) {
  Look look{s.a};
  const int plank = floor_int(spot.u / s.p);
  if (s.q == 2) {  // stripes of an awning
    look.albedo = (plank & 1) != 0 ? s.a : s.b;
    return look;
  }
  const float grain = noise2(spot.u * 30, spot.v * 2, s.seed) - 0.5f;
  look.albedo =
      look.albedo *
      (1 + spot.texture * (0.3f * (unit(hash(plank, 1, s.seed)) - 0.5f) + 0.2f * grain * detail(0.03f, spot.blur)));
  look.albedo = mix(look.albedo, s.b, 0.7f * bands(spot.u, s.p, 0.018f, spot.blur));
  return look;
}

Look leaves(const Surface& s, const Spot& spot) {
  Look look;
  const Vec3 p = spot.at * (1.6f / s.p);
  const float big = noise3(p * 0.35f, s.seed + 3), small = noise3(p * 1.9f, s.seed + 5);
  const float light =
      clamp01(0.5f + (big - 0.5f) * 0.9f + (small - 0.5f) * 1.1f * spot.texture * detail(s.p * 0.3f, spot.blur));
  look.albedo = mix(s.b, s.a * 1.15f, light);
  return look;
}

Look sign(const Surface& s, const Spot& spot) {
  Look look;
  const float x = 2 * spot.u / spot.width - 1, y = 2 * spot.v / spot.height - 1;
  const int shape = static_cast<int>(s.p);
  float edge = 0;  // 0 in the middle, 1 at the border
  if (shape == 0)
    edge = std::sqrt(x * x + y * y);
  else if (shape == 1)
    edge = std::max(-y, 2 * std::abs(x) + y) * 0.98f;
  else if (shape == 3)
    edge = std::abs(x) + std::abs(y);
  else
    edge = std::max(std::abs(x), std::abs(y));
  const float rim = shape == 4 ? 0.95f : shape == 0 ? 0.76f : shape == 1 ? 0.66f : 0.86f;
  look.albedo = edge > rim ? s.b : s.a;
  const float glyph_x = shape == 4 ? fraction(spot.u * 0.9f) * 2 - 1 : x,
              glyph_y = shape == 4 ? fraction(spot.v * 1.6f) * 2 - 1 : y;
  if (edge < rim * 0.8f) {  // a glyph: some bars and dots
    const std::uint32_t h = hash(s.seed + (shape == 4 ? static_cast<std::uint32_t>(floor_int(spot.v * 1.6f)) : 0u));
    const bool bar = (h & 1) != 0 && std::abs(glyph_x) < 0.14f && std::abs(glyph_y) < 0.45f;
    const bool beam = (h & 2) != 0 && std::abs(glyph_y - 0.1f) < 0.13f && std::abs(glyph_x) < 0.45f;
    const bool dot_ = (h & 4) != 0 && glyph_x * glyph_x + (glyph_y + 0.2f) * (glyph_y + 0.2f) < 0.07f;
    const Colour ink = luminance(s.a) > 0.35f ? rgb(0x1A1A1C) : rgb(0xF2F2F0);
    if (bar || beam || dot_) look.albedo = ink;
  }
  look.glow = look.albedo * (0.16f * spot.night);  // it throws headlights back
  look.gloss = 0.05f;
  return look;
}

Look traffic_lamps(const Surface& s, const Spot& spot) {
  Look look{s.a};
  static constexpr Colour on[] = {rgb(0xFF2A1A), rgb(0xFFB020), rgb(0x2AF08A)};
  for (int i = 0; i < 3; ++i) {  // red on top
    const float x = spot.u - spot.width / 2, y = spot.v - spot.height * (0.82f - 0.32f * static_cast<float>(i));
    if (x * x + y * y > 0.021f) continue;
    const Colour c = on[i];
    const bool lit = static_cast<int>(s.p) == i;
    look.albedo = lit ? c : c * 0.12f;
    if (lit) look.glow = c * (0.9f + 1.6f * s.q);
  }
  return look;
}

}  // namespace

Look look_at(const Surface& s, const Spot& spot) {
  switch (s.material) {
    case Material::facade:
      return look_at_facade(s, spot);
    case Material::car_side:
    case Material::car_end:
    case Material::cabin:
    case Material::wheel:
    case Material::ring:
    case Material::cargo:
    case Material::bus_side:
    case Material::bus_end:
      return look_at_vehicle(s, spot);
    case Material::masonry:
      return masonry(s, spot);
    case Material::planks:
      return planks(s, spot);
    case Material::hedge:
    case Material::foliage:
      return leaves(s, spot);
    case Material::sign:
      return sign(s, spot);
    case Material::lights:
      return traffic_lamps(s, spot);
    case Material::bark: {
      const float n = noise2(spot.at.x * 14 + spot.at.z * 14, spot.at.y * 3, s.seed);
      return {s.a * (1 + 0.7f * spot.texture * (n - 0.5f))};
    }
    case Material::cloth: {
      const float n = noise3(spot.at * 9, s.seed);
      return {s.a * (1 + 0.35f * spot.texture * (n - 0.5f) * detail(0.1f, spot.blur))};
    }
    case Material::lamp:
      return {s.a, s.a * s.p, 0.1f};
    case Material::skyline: {
      if (s.p == 0) return {s.a * (0.7f + 0.6f * noise2(spot.u * 0.3f, spot.v * 0.3f, s.seed))};
      const int house = floor_int(spot.u / 9), wx = floor_int(spot.u / 2.5f), wy = floor_int(spot.v / 3.2f);
      const float tone = 0.75f + 0.5f * unit(hash(house, 8, s.seed));
      const bool window = fraction(spot.u / 2.5f) > 0.45f && fraction(spot.v / 3.2f) > 0.4f;
      Look look{s.a * (window ? tone * 0.6f : tone)};
      if (window && unit(hash(wx, wy, s.seed)) < 0.3f) look.glow = Colour{0.5f, 0.36f, 0.16f} * spot.night;
      return look;
    }
    default:
      break;
  }
  const float n = noise3(spot.at * 2.5f, s.seed);
  return {s.a * (1 + 0.16f * spot.texture * (n - 0.5f)), {}, s.p};
}

}  // namespace rein::data::scenes
