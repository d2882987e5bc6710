// Who is on the street: vehicles in the lanes and at the kerbs, people on the sidewalks and on the crossing.
#include "data/scenes/build/build.h"

namespace rein::data::scenes {
namespace {

constexpr float pi = 3.14159265f;

// One vehicle in a lane; returns its length.
float build_vehicle(Builder& b, const Style& style, Draw draw) {
  const float kind = draw.uniform();
  if (kind < 0.6f) return build_car(b, style, draw).length;
  if (kind < 0.71f) return build_truck(b, style, draw).length;
  if (kind < 0.79f) return build_bus(b, style, draw).length;
  if (kind < 0.9f) return build_motorcycle(b, style, draw, draw.chance(0.9f)).length;
  return build_bicycle(b, style, draw, true).length;
}

void fill_lane(World& world, const Street& street, const Style& style, float s, bool ahead, float first, Draw draw) {
  float z = first;
  for (std::uint64_t i = 0; z < street_end; ++i) {
    Builder b(world, street.at(s + draw.range(-0.25f, 0.25f), z),
              street.heading(z) + (ahead ? 0 : pi) + draw.range(-0.03f, 0.03f));
    const float long_one = build_vehicle(b, style, draw.child(i));
    // The next one keeps clear of the longest possible neighbour.
    z += long_one / 2 + 8 + draw.range(2, 34) / street.density;
  }
}

void park(World& world, const Street& street, const Style& style, const Side& side, Draw draw) {
  const float full = draw.range(0.25f, 0.95f), s = side.sign * (side.kerb - 1.05f);
  float z = draw.range(3.5f, 9);
  for (std::uint64_t i = 0; z < 100; ++i) {
    const bool crossing = street.crossing_half > 0 && std::abs(z - street.crossing) < street.crossing_half + 7;
    const bool zebra = street.zebra > 0 && std::abs(z - street.zebra - 1.5f) < 6;
    if (!crossing && !zebra && draw.chance(full)) {
      const bool ahead = side.sign > 0 ? draw.chance(0.95f) : draw.chance(0.1f);
      Builder b(world, street.at(s + draw.range(-0.1f, 0.1f), z),
                street.heading(z) + (ahead ? 0 : pi) + draw.range(-0.03f, 0.03f));
      const float kind = draw.uniform();
      Draw own = draw.child(i);
      if (kind < 0.9f)
        build_car(b, style, own);
      else if (kind < 0.96f)
        build_motorcycle(b, style, own, false);
      else
        build_bicycle(b, style, own, false);
    }
    z += draw.range(5.2f, 6.6f);
  }
}

void walkers(World& world, const Street& street, const Style& style, const Side& side, Draw draw) {
  const int groups = static_cast<int>(draw.range(2, 11) * street.density);
  for (int i = 0; i < groups; ++i) {
    const float t = draw.uniform(), z = 4 + 55 * t * t;  // more of them near
    const float s = draw.range(side.kerb + 0.5f, std::max(side.paved_to - 0.4f, side.kerb + 0.6f));
    const float heading = (draw.chance(0.5f) ? 0 : pi) + draw.range(-0.3f, 0.3f);
    const int members = draw.chance(0.3f) ? draw.between(2, 3) : 1;
    const bool walking = draw.chance(0.75f);
    for (int k = 0; k < members; ++k) {
      Builder b(world, street.at(side.sign * s + 0.6f * static_cast<float>(k), z + draw.range(-0.3f, 0.3f)),
                heading + (walking ? 0 : draw.range(-1.5f, 1.5f)));
      build_person(b, style, draw.child(static_cast<std::uint64_t>(i * 4 + k)), walking);
    }
  }
}

void crossing_people(World& world, const Street& street, const Style& style, Draw draw) {
  const float z = street.zebra > 0 ? street.zebra + 1.5f : draw.range(14, 50);
  const int count = street.zebra > 0 ? draw.between(0, 4) : (draw.chance(0.2f) ? 1 : 0);
  for (int i = 0; i < count; ++i) {
    const float wide = street.sides[0].kerb + street.sides[1].kerb;
    Builder b(world, street.at(-street.sides[0].kerb + wide * draw.uniform(), z + draw.range(-1.2f, 1.2f)),
              draw.sign() * pi / 2 + draw.range(-0.3f, 0.3f));
    build_person(b, style, draw.child(static_cast<std::uint64_t>(i)), true);
  }
  if (street.crossing_half > 0 && draw.chance(0.45f)) {  // someone drives across
    Builder b(world, street.at(draw.range(-14, 14), street.crossing + draw.sign() * street.crossing_half * 0.45f),
              draw.sign() * pi / 2);
    build_vehicle(b, style, draw.child("across"));
  }
}

// Riders beside the lanes, near enough to be seen well.
void cyclists(World& world, const Street& street, const Style& style, Draw draw) {
  for (const Side& side : street.sides) {
    if (side.parking || !draw.chance(0.4f)) continue;
    const float z = draw.range(6, 28);
    Builder b(world, street.at(side.sign * (side.kerb - 0.45f), z), street.heading(z) + (side.sign > 0 ? 0 : pi));
    if (draw.chance(0.7f)) {
      build_bicycle(b, style, draw.child("bicycle"), true);
    } else {
      build_motorcycle(b, style, draw.child("motorcycle"), true);
    }
  }
}

void parked_cycles(World& world, const Street& street, const Style& style, const Side& side, Draw draw) {
  if (!draw.chance(0.45f)) return;
  const int count = draw.between(1, 5);
  const float z0 = draw.range(5, 30), s = side.sign * (draw.chance(0.5f) ? side.kerb + 0.5f : side.paved_to - 0.4f);
  const float turned = draw.chance(0.5f) ? 0 : draw.range(0.8f, 1.4f);
  for (int i = 0; i < count; ++i) {
    Builder b(world, street.at(s, z0 + (turned > 0 ? 0.8f : 2.0f) * static_cast<float>(i)),
              turned + draw.range(-0.1f, 0.1f));
    build_bicycle(b, style, draw.child(static_cast<std::uint64_t>(i)), false);
  }
}

}  // namespace

void build_traffic(World& world, const Street& street, const Style& style, Draw draw) {
  const float end = 1 / street.density;
  for (int lane = 0; lane < street.lanes; ++lane) {
    const float s = street.lane * (static_cast<float>(lane) + 0.5f);
    const bool own = std::abs(s - street.own_s) < 0.5f;
    Draw right = draw.child("ahead").child(static_cast<std::uint64_t>(lane));
    fill_lane(world, street, style, s, true, own ? right.range(10, 26 + 20 * end) : right.range(6, 20 + 20 * end),
              right);
    Draw left = draw.child("oncoming").child(static_cast<std::uint64_t>(lane));
    const bool rails = street.tram && std::abs(s + street.tram_s) < 1;
    if (rails) {
      Builder b(world, street.at(street.tram_s, left.range(26, 55)), left.chance(0.7f) ? pi : 0);
      build_tram(b, style, left);
    } else {
      fill_lane(world, street, style, -s, false, left.range(6, 14 + 30 * end), left);
    }
  }
  for (std::size_t i = 0; i < street.sides.size(); ++i) {
    const Side& side = street.sides[i];
    Draw own = draw.child("side").child(i);
    if (side.parking) park(world, street, style, side, own.child("parked"));
    walkers(world, street, style, side, own.child("walkers"));
    parked_cycles(world, street, style, side, own.child("cycles"));
  }
  crossing_people(world, street, style, draw.child("crossing"));
  cyclists(world, street, style, draw.child("cyclists"));
}

}  // namespace rein::data::scenes
