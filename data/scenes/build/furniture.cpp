// Street lamps, traffic lights, signs, bollards, and litter bins (which have no class: void).
#include "data/scenes/build/build.h"

namespace rein::data::scenes {
namespace {

constexpr Colour metals[] = {rgb(0x6E7276), rgb(0x4A4E52), rgb(0x8C9094), rgb(0x3A4A40)};

std::uint32_t metal(Builder& b, Draw& draw) {
  return b.surface({Material::plain, pole, draw.near(draw.pick(metals)), {}, 0.15f, 0, draw.seed()});
}

void street_lamp(Builder& b, float sign, const Style& style, Draw draw, float height) {
  const auto steel = metal(b, draw);
  const float reach = draw.range(0.8f, 2.2f);
  const Vec3 head{-sign * reach, height, 0};
  b.capsule(steel, {0, 0, 0}, {0, height - 0.4f, 0}, 0.085f);
  b.capsule(steel, {0, 0, 0}, {0, 1.1f, 0}, 0.12f);
  b.capsule(steel, {0, height - 0.4f, 0}, head, 0.05f);
  const Colour warm = draw.chance(0.6f) ? Colour{1.0f, 0.66f, 0.32f} : Colour{0.9f, 0.95f, 1.0f};
  const auto bulb = b.surface({Material::lamp, pole, mix(rgb(0xB8BAB8), warm, style.night), {}, 6 * style.night, 0, 0});
  b.capsule(bulb, head, head + Vec3{-sign * 0.35f, 0, 0}, 0.11f);
  if (style.night > 0) b.lamp(head + Vec3{0, -0.2f, 0}, warm * (48 * style.night));
  b.contact(0.2f, 0.2f);
}

void lights_head(Builder& b, Vec3 at, const Style& style, Draw& draw, int lit) {
  const auto box = b.surface({Material::plain, traffic_light, rgb(0x22262A), {}, 0.1f, 0, draw.seed()});
  const auto face = b.surface(
      {Material::lights, traffic_light, rgb(0x1E2226), {}, static_cast<float>(lit), style.night, draw.seed()});
  b.box(box, face, box, box, at + Vec3{-0.2f, 0, -0.15f}, at + Vec3{0.2f, 1.05f, 0.15f});
}

void traffic_lights(World& world, const Street& street, const Style& style, Draw draw) {
  const float before = street.crossing - street.crossing_half - 1.2f,
              behind = street.crossing + street.crossing_half + 1.2f;
  const int lit = draw.between(0, 2);
  for (const float z : {before, behind}) {
    for (const Side& side : street.sides) {
      if (draw.chance(0.2f)) continue;
      Builder b(world, street.at(side.sign * (side.kerb + 0.5f), z), street.heading(z));
      const auto steel = metal(b, draw);
      const bool arm = draw.chance(0.35f) && side.sign > 0;
      const float high = arm ? 5.4f : 2.5f;
      b.capsule(steel, {0, 0, 0}, {0, high + 0.6f, 0}, arm ? 0.11f : 0.065f);
      if (arm) {
        b.capsule(steel, {0, high + 0.6f, 0}, {-side.kerb * 0.7f, high + 0.7f, 0}, 0.07f);
        lights_head(b, {-side.kerb * 0.7f, high - 0.2f, -0.1f}, style, draw, lit);
      }
      lights_head(b, {0, 2.3f, -0.2f}, style, draw, lit);
      b.contact(0.2f, 0.2f);
    }
  }
}

void sign(Builder& b, const Style& style, Draw draw) {
  struct Kind {
    float shape;
    Colour field, edge;
  };
  static constexpr Kind kinds[] = {{0, rgb(0xF2F2EE), rgb(0xC22026)}, {0, rgb(0x1F5BB0), rgb(0xF0F0F0)},
                                   {1, rgb(0xF4F2EC), rgb(0xC22026)}, {2, rgb(0x1F5BB0), rgb(0xF0F0F0)},
                                   {3, rgb(0xF0C32C), rgb(0xF4F2EC)}, {0, rgb(0xC22026), rgb(0xF4F2EC)},
                                   {2, rgb(0xE9C531), rgb(0x1A1A1A)}};
  const auto steel = metal(b, draw);
  const float height = draw.range(2.1f, 2.7f);
  b.capsule(steel, {0, 0, 0}, {0, height + 0.55f, 0}, 0.045f);
  const int plates = draw.chance(0.25f) ? 2 : 1;
  for (int i = 0; i < plates; ++i) {
    const Kind& kind = draw.pick(kinds);
    const float size = draw.range(0.33f, 0.45f), y = height - 0.95f * static_cast<float>(i);
    const auto plate = b.surface({Material::sign, traffic_sign, paint(style, draw, kind.field, 0.1f),
                                  paint(style, draw, kind.edge, 0.1f), kind.shape, 0, draw.seed()});
    b.quad(plate, {-size, y, -0.08f}, {size, y, -0.08f}, {size, y + 2 * size, -0.08f}, {-size, y + 2 * size, -0.08f},
           true);
  }
}

void overhead_sign(World& world, const Street& street, const Style& style, Draw draw) {
  const float z = draw.range(22, 70);
  const Side& side = street.sides[1];
  Builder b(world, street.at(0, z), street.heading(z));
  const auto steel = metal(b, draw);
  const float s = side.kerb + 0.5f, half = draw.range(1.2f, 2.0f), middle = street.own_s;
  b.capsule(steel, {s, 0, 0}, {s, 6.4f, 0}, 0.14f);
  b.capsule(steel, {s, 6.3f, 0}, {middle - half * 0.6f, 6.3f, 0}, 0.09f);
  const auto plate = b.surface({Material::sign, traffic_sign,
                                paint(style, draw, draw.chance(0.6f) ? rgb(0x1C4F9C) : rgb(0x1F7A4A), 0.1f),
                                rgb(0xF0F0EE), 4, 0, draw.seed()});
  b.quad(plate, {middle - half, 5.3f, -0.15f}, {middle + half, 5.3f, -0.15f}, {middle + half, 7.1f, -0.15f},
         {middle - half, 7.1f, -0.15f}, true);
}

void small_things(World& world, const Street& street, const Side& side, Draw draw) {
  if (draw.chance(0.3f)) {  // a row of bollards
    const float z0 = draw.range(6, 25), gap = draw.range(1.4f, 2.2f);
    const int count = draw.between(3, 9);
    for (int i = 0; i < count; ++i) {
      Builder b(world, street.at(side.sign * (side.kerb + 0.35f), z0 + gap * static_cast<float>(i)));
      b.capsule(metal(b, draw), {0, 0, 0}, {0, 0.85f, 0}, 0.07f);
      b.contact(0.12f, 0.12f);
    }
  }
  const int bins = draw.between(0, 2);
  for (int i = 0; i < bins; ++i) {
    Builder b(world, street.at(side.sign * (side.kerb + draw.range(0.6f, 1.2f)), draw.range(6, 45)), draw.range(0, 6));
    static constexpr Colour colours[] = {rgb(0x2F4F3A), rgb(0x3A4656), rgb(0xB06A2A), rgb(0x55565A)};
    const auto can = b.surface({Material::plain, void_id, draw.near(draw.pick(colours)), {}, 0.1f, 0, draw.seed()});
    b.box(can, {-0.3f, 0, -0.3f}, {0.3f, draw.range(0.8f, 1.2f), 0.3f});
    b.contact(0.4f, 0.4f);
  }
}

}  // namespace

void build_furniture(World& world, const Street& street, const Style& style, Draw draw) {
  const float height = draw.range(4.5f, 8.5f), gap = draw.range(18, 32);
  const bool both = draw.chance(0.5f);
  for (std::size_t i = 0; i < street.sides.size(); ++i) {
    const Side& side = street.sides[i];
    Draw own = draw.child(i);
    if (both || i == 1)
      for (float z = own.range(8, 8 + gap); z < street_end; z += gap) {
        if (street.in_crossing(z)) continue;
        Builder b(world, street.at(side.sign * (side.kerb + 0.5f), z), street.heading(z));
        street_lamp(b, side.sign, style, own.child("lamp"), height);
      }
    const float every = own.range(12, 40);
    for (float z = own.range(6, 6 + every); z < 90; z += every * own.range(0.5f, 1.4f)) {
      if (street.in_crossing(z)) continue;
      Builder b(world, street.at(side.sign * (side.kerb + 0.45f), z), street.heading(z) + own.range(-0.25f, 0.25f));
      sign(b, style, own.child("sign").child(static_cast<std::uint64_t>(z * 16)));
    }
    small_things(world, street, side, own.child("small"));
  }
  if (street.crossing_half > 0 && draw.chance(0.85f)) traffic_lights(world, street, style, draw.child("lights"));
  if (draw.chance(0.14f)) overhead_sign(world, street, style, draw.child("overhead"));
}

}  // namespace rein::data::scenes
