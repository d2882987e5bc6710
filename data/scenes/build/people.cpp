// People on foot, and the two-wheelers with those who ride them.
#include "data/scenes/build/build.h"

namespace rein::data::scenes {
namespace {

constexpr Colour skins[] = {rgb(0xE2B79A), rgb(0xC98F6B), rgb(0x8A5A3C), rgb(0x5C3A28), rgb(0xF0CBB0)};
constexpr Colour hairs[] = {rgb(0x1E1A18), rgb(0x4A3222), rgb(0x9A7B4A), rgb(0x8C8880), rgb(0x2A2422)};
constexpr Colour cloths[] = {rgb(0x2B3A55), rgb(0x7A1F26), rgb(0x3C3C3E), rgb(0xC9C2B4), rgb(0x2F5A48), rgb(0xB58A2E),
                             rgb(0x6A4A78), rgb(0xD86A3A), rgb(0x3F78A8), rgb(0xE4E0D8), rgb(0x171A1E)};
constexpr Colour trousers[] = {rgb(0x23283A), rgb(0x3A3A3C), rgb(0x4A5A78),
                               rgb(0x6A5A48), rgb(0x1A1A1C), rgb(0x8A8478)};

std::uint32_t cloth(Builder& b, Id label, Colour colour, Draw& draw) {
  return b.surface({Material::cloth, label, colour, {}, 0, 0, draw.seed()});
}

void wheel(Builder& b, std::uint32_t surface, float z, float radius) {
  b.quad(surface, {0, 0, z + radius}, {0, 0, z - radius}, {0, 2 * radius, z - radius}, {0, 2 * radius, z + radius},
         true);
}

}  // namespace

Colour paint(const Style& style, Draw& draw, Colour colour, float amount) {
  const float gray = luminance(colour);
  const Colour c = draw.near(mix(Colour{gray, gray, gray}, colour, style.colourful), amount);
  return {std::max(c.x, 0.0f), std::max(c.y, 0.0f), std::max(c.z, 0.0f)};
}

Outfit dress(Builder& b, const Style& style, Draw& draw, Id label) {
  Outfit o{};
  o.skin = cloth(b, label, draw.near(draw.pick(skins)), draw);
  o.hair = cloth(b, label, draw.near(draw.pick(hairs)), draw);
  o.top = cloth(b, label, paint(style, draw, draw.pick(cloths)), draw);
  o.legs = cloth(b, label, paint(style, draw, draw.pick(trousers)), draw);
  o.shoes = cloth(b, label, rgb(0x26221F), draw);
  return o;
}

void build_person(Builder& b, const Style& style, Draw draw, bool walking) {
  const Outfit o = dress(b, style, draw, person);
  const float h = draw.chance(0.12f) ? draw.range(1.05f, 1.4f) : draw.range(1.55f, 1.92f), k = h / 1.75f;
  const float wide = k * draw.range(0.9f, 1.2f), phase = draw.range(-1, 1),
              swing = walking ? 0.34f * phase : 0.06f * phase;
  const float hip = 0.9f * k, shoulder = 1.43f * k;
  const auto v = [&](float x, float y, float z) { return Vec3{x * wide, y * k, z * k}; };
  const auto bare = draw.chance(0.2f) ? o.skin : o.legs;
  for (const float s : {-1.0f, 1.0f}) {
    const float step = s * swing;
    b.capsule(o.legs, v(s * 0.095f, 0.9f, 0), v(s * 0.1f, 0.5f, step * 0.55f + 0.04f), 0.085f * wide);
    b.capsule(bare, v(s * 0.1f, 0.5f, step * 0.55f + 0.04f), v(s * 0.1f, 0.1f, step), 0.062f * wide);
    b.capsule(o.shoes, v(s * 0.1f, 0.05f, step - 0.02f), v(s * 0.11f, 0.05f, step + 0.14f), 0.05f * k);
    const float bend = draw.range(0, 0.1f);
    b.capsule(o.top, v(s * 0.21f, 1.4f, 0), v(s * 0.26f, 1.14f, -step * 0.4f - bend), 0.053f * wide);
    b.capsule(draw.chance(0.4f) ? o.skin : o.top, v(s * 0.26f, 1.14f, -step * 0.4f - bend),
              v(s * 0.25f, 0.9f, -step * 0.8f + 0.08f), 0.043f * wide);
  }
  b.capsule(o.top, {-0.085f * wide, hip + 0.08f * k, 0}, {-0.11f * wide, shoulder - 0.09f * k, 0}, 0.125f * wide);
  b.capsule(o.top, {0.085f * wide, hip + 0.08f * k, 0}, {0.11f * wide, shoulder - 0.09f * k, 0}, 0.125f * wide);
  if (draw.chance(0.25f)) b.capsule(o.top, v(0, 0.95f, 0), v(0, 0.6f, 0), 0.19f * wide);  // a coat or a skirt
  b.capsule(o.skin, v(0, 1.4f, 0), v(0, 1.55f, 0.01f), 0.05f * k);
  b.sphere(o.skin, v(0, 1.63f, 0.02f), 0.105f * k);
  b.sphere(o.hair, v(0, 1.665f, -0.02f), 0.11f * k);
  if (draw.chance(0.25f)) b.capsule(o.hair, v(0, 1.64f, -0.06f), v(0, 1.45f, -0.09f), 0.08f * k);
  if (draw.chance(0.35f)) {  // a rucksack or a bag
    const auto bag = cloth(b, person, paint(style, draw, draw.pick(cloths)), draw);
    if (draw.chance(0.5f))
      b.capsule(bag, v(0, 1.08f, -0.19f), v(0, 1.32f, -0.19f), 0.14f * k);
    else
      b.capsule(bag, v(0.3f, 0.62f, -0.05f), v(0.3f, 0.62f, 0.12f), 0.12f * k);
  }
  b.contact(0.28f, 0.3f);
}

Footprint build_bicycle(Builder& b, const Style& style, Draw draw, bool ridden) {
  static constexpr Colour frames[] = {rgb(0x20242A), rgb(0xA82A2A), rgb(0x2A5A9A),
                                      rgb(0x3A7A4A), rgb(0xC8C8C4), rgb(0xD0A030)};
  const auto tyre = b.surface({Material::ring, bicycle, rgb(0x8C8E90), rgb(0x15161A), 0, 0, draw.seed()});
  const auto frame =
      b.surface({Material::plain, bicycle, paint(style, draw, draw.pick(frames)), {}, 0.2f, 0, draw.seed()});
  const auto black = b.surface({Material::plain, bicycle, rgb(0x1A1A1C), {}, 0.05f, 0, draw.seed()});
  const float r = 0.34f;
  wheel(b, tyre, 0.53f, r);
  wheel(b, tyre, -0.53f, r);
  const Vec3 rear{0, r, -0.53f}, front{0, r, 0.53f}, pedal{0, 0.3f, -0.06f}, seat{0, 0.86f, -0.2f},
      head{0, 0.88f, 0.36f};
  b.capsule(frame, rear, pedal, 0.028f);
  b.capsule(frame, rear, seat, 0.024f);
  b.capsule(frame, pedal, seat, 0.03f);
  b.capsule(frame, pedal, head, 0.03f);
  b.capsule(frame, seat, head, 0.03f);
  b.capsule(frame, front, head, 0.028f);
  b.capsule(black, {-0.27f, 1.02f, 0.33f}, {0.27f, 1.02f, 0.33f}, 0.028f);
  b.capsule(black, head, {0, 1.02f, 0.34f}, 0.025f);
  b.capsule(black, {0, 0.93f, -0.32f}, {0, 0.95f, -0.12f}, 0.05f);
  b.contact(0.16f, 0.85f);
  if (ridden) {
    const Outfit o = dress(b, style, draw, rider);
    const float low = draw.chance(0.5f) ? 1.0f : -1.0f, lean = draw.range(0.15f, 0.38f);
    const Vec3 hip{0, 0.98f, -0.2f}, chest{0, 1.43f, -0.2f + lean};
    for (const float s : {-1.0f, 1.0f}) {
      const Vec3 side{s * 0.1f, 0, 0}, foot{s * 0.11f, 0.3f + 0.14f * s * low, -0.06f + 0.1f * s * low};
      const Vec3 knee{s * 0.11f, 0.66f + 0.1f * s * low, 0.13f};
      b.capsule(o.legs, hip + side, knee, 0.08f);
      b.capsule(o.legs, knee, foot, 0.06f);
      b.capsule(o.shoes, foot + Vec3{0, -0.03f, -0.05f}, foot + Vec3{0, -0.03f, 0.1f}, 0.045f);
      b.capsule(o.top, chest + Vec3{s * 0.19f, 0, 0}, {s * 0.25f, 1.06f, 0.3f}, 0.05f);
    }
    b.capsule(o.top, hip + Vec3{-0.07f, 0, 0}, chest + Vec3{-0.09f, 0, 0}, 0.125f);
    b.capsule(o.top, hip + Vec3{0.07f, 0, 0}, chest + Vec3{0.09f, 0, 0}, 0.125f);
    const Vec3 top = chest + Vec3{0, 0.25f, 0.1f};
    b.sphere(o.skin, top, 0.105f);
    b.sphere(draw.chance(0.5f) ? o.top : o.hair, top + Vec3{0, 0.045f, -0.02f}, 0.115f);
  }
  return {0.6f, 1.75f};
}

Footprint build_motorcycle(Builder& b, const Style& style, Draw draw, bool ridden) {
  static constexpr Colour paints[] = {rgb(0x1C1E22), rgb(0xB0242A), rgb(0x20508C), rgb(0xD8D8D4), rgb(0x3A6A3A)};
  const auto tyre = b.surface({Material::wheel, motorcycle, rgb(0x7C7E82), rgb(0x121316), 0, 0, draw.seed()});
  const auto body =
      b.surface({Material::plain, motorcycle, paint(style, draw, draw.pick(paints)), {}, 0.35f, 0, draw.seed()});
  const auto black = b.surface({Material::plain, motorcycle, rgb(0x1A1B1E), {}, 0.15f, 0, draw.seed()});
  const auto tail = b.surface({Material::lamp, motorcycle, rgb(0xC01818), {}, 2 * style.night, 0, 0});
  const float r = 0.31f;
  wheel(b, tyre, 0.68f, r);
  wheel(b, tyre, -0.68f, r);
  b.capsule(black, {0, r, -0.68f - 0.18f}, {0, r, -0.68f + 0.18f}, 0.1f);  // the tyres as seen from behind
  b.capsule(black, {0, r - 0.12f, -0.68f}, {0, r + 0.14f, -0.68f}, 0.09f);
  b.capsule(black, {0, r - 0.12f, 0.68f}, {0, r + 0.14f, 0.68f}, 0.09f);
  b.capsule(black, {0, 0.42f, -0.2f}, {0, 0.46f, 0.22f}, 0.2f);
  b.capsule(body, {0, 0.78f, -0.05f}, {0, 0.82f, 0.3f}, 0.17f);
  b.capsule(black, {0, 0.78f, -0.6f}, {0, 0.76f, -0.1f}, 0.12f);
  b.capsule(body, {0, 0.8f, -0.82f}, {0, 0.72f, -0.5f}, 0.1f);
  b.sphere(tail, {0, 0.74f, -0.9f}, 0.07f);
  b.capsule(body, {0, 0.7f, 0.5f}, {0, 1.0f, 0.42f}, 0.14f);
  b.capsule(black, {0, r, 0.68f}, {0, 0.95f, 0.42f}, 0.05f);
  b.capsule(black, {-0.34f, 1.06f, 0.36f}, {0.34f, 1.06f, 0.36f}, 0.035f);
  b.contact(0.3f, 1.05f);
  if (ridden) {
    const Outfit o = dress(b, style, draw, rider);
    const Vec3 hip{0, 0.92f, -0.25f}, chest{0, 1.42f, draw.range(-0.15f, 0.1f)};
    for (const float s : {-1.0f, 1.0f}) {
      b.capsule(o.legs, hip + Vec3{s * 0.12f, 0, 0}, {s * 0.24f, 0.72f, 0.2f}, 0.09f);
      b.capsule(o.legs, {s * 0.24f, 0.72f, 0.2f}, {s * 0.22f, 0.3f, 0.02f}, 0.07f);
      b.capsule(o.top, chest + Vec3{s * 0.2f, 0, 0}, {s * 0.32f, 1.1f, 0.32f}, 0.06f);
      b.capsule(o.top, hip + Vec3{s * 0.08f, 0, 0}, chest + Vec3{s * 0.1f, 0, 0}, 0.14f);
    }
    b.sphere(cloth(b, rider, paint(style, draw, draw.pick(paints)), draw), chest + Vec3{0, 0.27f, 0.06f}, 0.15f);
  }
  return {0.8f, 2.1f};
}

}  // namespace rein::data::scenes
