// Fronts of buildings: a grid of windows over a ground floor of shops or doors.
#include "data/scenes/noise.h"
#include "data/scenes/render/materials.h"

namespace rein::data::scenes {
namespace {

constexpr float ground_floor = 3.6f;

Look pane(const Spot& spot, std::uint32_t key, float height_in_pane, float lit_chance) {
  Look look;
  const float own = unit(hash(key, 1u));
  look.albedo = mix(rgb(0x1C2630), rgb(0x4A5A66), own * 0.7f + 0.3f * height_in_pane);
  look.gloss = 0.35f + 0.3f * unit(hash(key, 2u));
  if (unit(hash(key, 3u)) < 0.3f) {  // a curtain or a blind
    look.albedo = mix(rgb(0xB8B0A0), rgb(0x7A7468), unit(hash(key, 4u)));
    look.gloss = 0.15f;
  }
  if (spot.night > 0 && unit(hash(key, 5u)) < lit_chance) {
    const Colour warm = mix(Colour{1.0f, 0.68f, 0.3f}, Colour{0.85f, 0.9f, 1.0f}, unit(hash(key, 6u)) * 0.5f);
    look.glow = warm * (spot.night * (0.25f + 0.5f * unit(hash(key, 7u))));
  }
  return look;
}

Look blend(const Look& a, const Look& b, float t) {
  return {mix(a.albedo, b.albedo, t), mix(a.glow, b.glow, t), mix(a.gloss, b.gloss, t)};
}

Look shops(const Surface& s, const Spot& spot, const Look& wall_look) {
  const float period = 4.2f + 2 * unit(hash(s.seed, 21u));
  const int shop = floor_int(spot.u / period);
  const std::uint32_t key = hash(shop, 40, s.seed);
  const float x = fraction(spot.u / period) * period;
  const float window = cover(x, 0.35f, period - 0.35f, spot.blur) * cover(spot.v, 0.5f, 2.7f, spot.blur);
  Look glass = pane(spot, key, spot.v / 3, 0.75f);
  if (spot.v < 1.6f && noise2(spot.u * 3, spot.v * 3, key) > 0.5f)  // what the shop shows
    glass.albedo = Colour{unit(hash(key, 9u)), unit(hash(key, 10u)), unit(hash(key, 11u))} * 0.5f;
  glass.glow = glass.glow * 1.8f;
  Look out = blend(wall_look, glass, window);
  const Colour board{0.08f + 0.6f * unit(hash(key, 12u)), 0.08f + 0.5f * unit(hash(key, 13u)),
                     0.08f + 0.5f * unit(hash(key, 14u))};
  const float band = cover(spot.v, 2.8f, 3.4f, spot.blur) * cover(x, 0.2f, period - 0.2f, spot.blur);
  Look name{board};
  if (std::abs(spot.v - 3.1f) < 0.14f && x > 0.8f && x < period - 0.8f && unit(hash(floor_int(x * 4), 2, key)) > 0.35f)
    name.albedo = mix(board, luminance(board) > 0.3f ? rgb(0x202020) : rgb(0xF0EEE6), detail(0.25f, spot.blur));
  name.glow = name.albedo * (0.5f * spot.night);
  return blend(out, name, band);
}

Look doors(const Surface& s, const Spot& spot, const Look& wall_look, float period) {
  const int cell = floor_int(spot.u / period);
  const std::uint32_t key = hash(cell, 50, s.seed);
  const float x = fraction(spot.u / period) * period, middle = period / 2;
  if (unit(hash(key, 1u)) < 0.25f) {
    Look door{Colour{0.05f + 0.3f * unit(hash(key, 2u)), 0.05f + 0.2f * unit(hash(key, 3u)),
                     0.04f + 0.15f * unit(hash(key, 4u))}};
    return blend(wall_look, door,
                 cover(x, middle - 0.55f, middle + 0.55f, spot.blur) * cover(spot.v, 0, 2.2f, spot.blur));
  }
  const Look glass = pane(spot, key, spot.v / 3, 0.4f);
  return blend(wall_look, glass,
               cover(x, middle - 0.5f, middle + 0.5f, spot.blur) * cover(spot.v, 1.0f, 2.3f, spot.blur));
}

}  // namespace

Look look_at_facade(const Surface& s, const Spot& spot) {
  const std::uint32_t kind = hash(s.seed, 99u) % 4;  // plaster, brick, slabs, glass front
  const float dirt = fbm2(spot.u * 0.35f, spot.v * 0.2f, s.seed, 3) - 0.5f;
  Look look{s.a * (1 + 0.35f * spot.texture * dirt)};
  look.albedo = look.albedo * (0.8f + 0.2f * smooth(0, 2.5f, spot.v));
  if (kind == 1 && spot.texture > 0.3f) {
    const float rows = bands(spot.v, 0.09f, 0.02f, spot.blur),
                row = unit(hash(floor_int(spot.v / 0.09f), floor_int(spot.u / 0.25f), s.seed));
    look.albedo = look.albedo * (1 - 0.3f * rows + 0.25f * (row - 0.5f) * detail(0.12f, spot.blur));
  }
  const bool shop = (s.seed & 1) == 0;
  if (spot.v < ground_floor) return shop ? shops(s, spot, look) : doors(s, spot, look, s.q);
  const float up = spot.height - spot.v;
  look.albedo = mix(look.albedo, s.b, cover(spot.v, ground_floor, ground_floor + 0.22f, spot.blur));
  if (up < 0.9f) return look;
  const float columns = std::max(1.0f, std::floor(spot.width / s.q)), period = spot.width / columns;
  const int i = floor_int(spot.u / period), j = floor_int((spot.v - ground_floor) / s.p);
  const float x = fraction(spot.u / period) * period, y = fraction((spot.v - ground_floor) / s.p) * s.p;
  const float share = kind == 3 ? 0.92f : 0.42f + 0.25f * unit(hash(s.seed, 31u));
  const float half = period * share / 2, sill = kind == 3 ? 0.5f : 0.85f, head = kind == 3 ? s.p - 0.12f : s.p - 0.5f;
  const float middle = period / 2;
  const auto frame = [&](float grow) {
    return cover(x, middle - half - grow, middle + half + grow, spot.blur) *
           cover(y, sill - grow, head + grow, spot.blur);
  };
  if (kind == 2) look.albedo = look.albedo * (1 - 0.25f * bands(spot.u, period, 0.05f, spot.blur));
  look.albedo = mix(look.albedo, s.b, frame(0.12f));
  look.albedo = look.albedo * (1 - 0.35f * cover(y, sill - 0.25f, sill - 0.1f, spot.blur) *
                                       cover(x, middle - half, middle + half, spot.blur));
  Look glass = pane(spot, hash(i, j, s.seed), (y - sill) / (head - sill), 0.36f);
  const float bar =
      std::max(bands(x - middle - 0.025f, half, 0.05f, spot.blur), cover(y, head - 0.55f, head - 0.5f, spot.blur));
  glass.albedo = mix(glass.albedo, s.b, 0.7f * bar * detail(0.4f, spot.blur));
  glass.albedo = glass.albedo * (1 - 0.4f * cover(y, head - 0.2f, head, spot.blur));  // the lintel's shade
  return blend(look, glass, frame(0));
}

}  // namespace rein::data::scenes
