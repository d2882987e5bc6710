// Paintwork, glass, lights and wheels.
#include "data/scenes/noise.h"
#include "data/scenes/render/materials.h"

namespace rein::data::scenes {
namespace {

const Colour dark = rgb(0x17191C), glass_tone = rgb(0x1E262C);

Look car_side(const Surface& s, const Spot& spot) {
  Look look{s.a, {}, 0.38f};
  const float r = s.p, y = spot.v + s.q - r;  // height above the axle
  for (const float x : {spot.u - 0.8f, spot.u - (spot.width - 0.8f)})
    if (x * x + y * y < 1.35f * r * r) return {dark};
  look.albedo = mix(look.albedo, dark, cover(spot.v, -1, 0.1f, spot.blur));
  const float doors = cover(std::abs(spot.u - spot.width * 0.5f), 0, 0.012f, spot.blur) +
                      cover(std::abs(spot.u - spot.width * 0.5f), 0.98f, 1.0f, spot.blur);
  look.albedo = look.albedo * (1 - 0.6f * clamp01(doors));
  look.albedo = look.albedo * (1 - 0.25f * cover(spot.v, 0.3f, 0.34f, spot.blur));
  const float handle = cover(fraction((spot.u - spot.width * 0.5f) / 0.98f) * 0.98f, 0.12f, 0.28f, spot.blur) *
                       cover(spot.v, spot.height - 0.22f, spot.height - 0.17f, spot.blur);
  look.albedo = mix(look.albedo, dark, 0.7f * handle);
  return look;
}

Look car_end(const Surface& s, const Spot& spot) {
  const bool front = s.p > 0.5f;
  Look look{s.a, {}, 0.38f};
  const float x = std::abs(spot.u / spot.width - 0.5f) * 2, y = spot.v / spot.height;
  look.albedo = mix(look.albedo, dark, cover(y, -1, 0.26f, spot.blur / spot.height));  // the bumper's underside
  if (front && x < 0.5f && y > 0.3f && y < 0.72f)
    look = {mix(dark, s.a, 0.1f + 0.15f * bands(spot.v, 0.08f, 0.02f, spot.blur)), {}, 0.1f};
  if (!front)
    look.albedo = look.albedo * (1 - 0.5f * cover(y, 0.46f, 0.49f, spot.blur / spot.height) * (x < 0.7f ? 1.0f : 0.0f));
  if (x < 0.27f && y > (front ? 0.12f : 0.28f) && y < (front ? 0.28f : 0.46f))
    return {rgb(0xE6E4DA), rgb(0xE6E4DA) * (0.1f * s.q), 0};
  const float inner = front ? 0.58f : 0.68f;
  if (x > inner && x < 0.97f && y > 0.52f && y < 0.88f) {
    const Colour lamp = front ? rgb(0xF2F2EA) : rgb(0xB81414);
    const float power = front ? 5.0f : 1.5f;
    return {lamp, lamp * (s.q * power), 0.3f};
  }
  return look;
}

Look cabin(const Surface& s, const Spot& spot) {
  const float panes = s.p;
  const float edge_u = 0.09f, top = 0.07f;
  // The window narrows upwards as its polygon does.
  const float slope = 0.16f * spot.height;
  const float inside =
      cover(spot.u, edge_u - (panes > 1 ? slope : 0), spot.width - edge_u + (panes > 1 ? slope : 0), spot.blur) *
      cover(spot.v, 0.02f, spot.height - top, spot.blur);
  Look look{s.a, {}, 0.4f};
  float pillars = 0;
  if (panes > 1) pillars = bands(spot.u - spot.width / panes + 0.04f, spot.width / panes, 0.08f, spot.blur);
  const float glass = inside * (1 - pillars);
  const float heads = smooth(0.12f, 0.02f, std::abs(spot.v - spot.height * 0.35f) - 0.08f) *
                      smooth(0.2f, 0.1f, std::abs(std::abs(spot.u - spot.width / 2) - 0.36f));
  const Colour tone = mix(glass_tone, rgb(0x0C0E10), 0.7f * heads);
  look.albedo = mix(look.albedo, tone, glass);
  look.gloss = mix(look.gloss, 0.5f, glass);
  return look;
}

Look wheel(const Surface& s, const Spot& spot) {
  const float r = spot.width / 2, x = spot.u - r, y = spot.v - r, d = std::sqrt(x * x + y * y) / r;
  if (s.material == Material::ring) {  // spokes fill the disc
    const float spokes = 0.5f + 0.5f * std::cos(std::atan2(y, x) * 14);
    return {d > 0.86f  ? s.b
            : d > 0.8f ? s.a * 1.3f
                       : mix(s.a * 0.45f, s.a, spokes * detail(0.06f, spot.blur)),
            {},
            0.05f};
  }
  if (d > 0.64f) return {s.b};
  if (d < 0.16f) return {s.a * 0.7f, {}, 0.2f};
  const float spokes = std::cos(std::atan2(y, x) * static_cast<float>(5 + s.seed % 3));
  return {spokes > -0.2f ? s.a : s.a * 0.25f, {}, 0.3f};
}

Look cargo(const Surface& s, const Spot& spot) {
  Look look{s.a * (1 + 0.15f * spot.texture * (fbm2(spot.u, spot.v, s.seed, 2) - 0.5f)), {}, 0.1f};
  const float x = spot.u / spot.width, y = spot.v / spot.height;
  if (spot.width > 3) {
    const float band = 0.3f + 0.3f * unit(hash(s.seed, 1u));
    if ((s.seed & 2) != 0)
      look.albedo = mix(look.albedo, s.b, cover(y, band, band + 0.2f, spot.blur / spot.height));
    else if (std::abs(x - 0.5f) < 0.25f && std::abs(y - 0.55f) < 0.14f &&
             unit(hash(floor_int(x * 24), 1, s.seed)) > 0.3f)
      look.albedo = s.b;
    look.albedo = look.albedo * (1 - 0.2f * bands(spot.u, 1.2f, 0.04f, spot.blur));
  } else {  // doors at the back
    look.albedo = look.albedo * (1 - 0.5f * cover(std::abs(x - 0.5f) * spot.width, 0, 0.02f, spot.blur));
    look.albedo = mix(look.albedo, rgb(0xC03020),
                      cover(spot.v, 0, 0.12f, spot.blur) * ((floor_int(spot.u / 0.25f) & 1) != 0 ? 1.0f : 0.2f));
  }
  const float frame = std::min(std::min(spot.u, spot.width - spot.u), std::min(spot.v, spot.height - spot.v));
  look.albedo = look.albedo * (frame < 0.06f ? 0.7f : 1.0f);
  return look;
}

// A row of large windows between v0 and v1.
void window_row(Look& look, const Surface& s, const Spot& spot, float v0, float v1) {
  const float glass = cover(spot.v, v0, v1, spot.blur) * (1 - bands(spot.u, 1.45f, 0.1f, spot.blur)) *
                      cover(spot.u, 0.25f, spot.width - 0.25f, spot.blur);
  const bool seated = unit(hash(floor_int(spot.u / 0.7f), floor_int(v0 * 8), s.seed)) < 0.45f;
  const float head = seated && spot.v < v0 + 0.55f && fraction(spot.u / 0.7f) > 0.3f ? 0.6f : 1.0f;
  look.albedo = mix(look.albedo, glass_tone * head, glass);
  look.gloss = mix(look.gloss, 0.45f, glass);
  look.glow = look.glow + Colour{0.75f, 0.72f, 0.6f} * (0.7f * s.q * glass * head);
}

Look bus_side(const Surface& s, const Spot& spot) {
  Look look{s.a, {}, 0.25f};
  look.albedo = mix(look.albedo, s.b, cover(spot.v, 0.5f, 0.85f, spot.blur));
  look.albedo = mix(look.albedo, dark, cover(spot.v, -1, 0.12f, spot.blur));
  window_row(look, s, spot, 0.95f, s.p > 1.5f ? 1.75f : spot.height - 0.5f);
  if (s.p > 1.5f) window_row(look, s, spot, 2.35f, spot.height - 0.45f);
  const float door = fraction(spot.u / 4.6f) * 4.6f;
  if (door > 1.5f && door < 2.7f && spot.v < spot.height - 0.45f && s.p < 1.5f)
    look.albedo = mix(look.albedo, mix(glass_tone, dark, bands(spot.u, 0.6f, 0.07f, spot.blur)), detail(1, spot.blur));
  return look;
}

// Also the front (1), back (0) and side (2) of a truck's cab.
Look bus_end(const Surface& s, const Spot& spot) {
  Look look{s.a, {}, 0.25f};
  const float x = std::abs(spot.u / spot.width - 0.5f) * 2, y = spot.v / spot.height;
  if (s.p > 1.5f) {
    if (y > 0.5f && y < 0.88f && spot.u > 0.2f && spot.u < spot.width - 0.5f) look = {glass_tone, {}, 0.5f};
    return look;
  }
  const bool front = s.p > 0.5f;
  if (y > (front ? 0.38f : 0.5f) && y < 0.84f && x < 0.9f) {
    look = {glass_tone, Colour{0.7f, 0.68f, 0.58f} * (0.15f * s.q), 0.5f};
    if (x < 0.02f) look.albedo = dark;
  }
  if (s.label != truck && y > 0.87f && y < 0.95f && x < 0.6f) {  // where it goes
    const bool dot_ = unit(hash(floor_int(spot.u * 14), floor_int(spot.v * 14), s.seed)) > 0.5f;
    look = {dark, dot_ ? Colour{1.0f, 0.55f, 0.1f} * (0.4f + s.q) : Colour{}, 0};
  }
  if (y > 0.12f && y < 0.22f && x > 0.6f && x < 0.92f) {
    const Colour lamp = front ? rgb(0xF4F2E6) : rgb(0xC01616);
    look = {lamp, lamp * (s.q * (front ? 5.0f : 1.6f)), 0.2f};
  }
  if (y < 0.08f) look = {dark};
  return look;
}

}  // namespace

Look look_at_vehicle(const Surface& s, const Spot& spot) {
  switch (s.material) {
    case Material::car_side:
      return car_side(s, spot);
    case Material::car_end:
      return car_end(s, spot);
    case Material::cabin:
      return cabin(s, spot);
    case Material::cargo:
      return cargo(s, spot);
    case Material::bus_side:
      return bus_side(s, spot);
    case Material::bus_end:
      return bus_end(s, spot);
    default:
      return wheel(s, spot);
  }
}

}  // namespace rein::data::scenes
