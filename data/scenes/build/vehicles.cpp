// Cars, trucks, buses and trams. They look along z; tail lights are at -z.
#include "data/scenes/build/build.h"

namespace rein::data::scenes {
namespace {

constexpr Colour paints[] = {rgb(0xB8BABD), rgb(0x2A2C30), rgb(0xE8E8E6), rgb(0x6A6E74), rgb(0x8A1C22), rgb(0x1F3F78),
                             rgb(0x3F5A46), rgb(0x9A8A6A), rgb(0x16181C), rgb(0x4A78A8), rgb(0xB03A20), rgb(0xC9A53A)};

struct Wheels {
  float radius = 0.33f, half_width = 0.88f, front = 1.3f, rear = -1.3f;
};

void build_wheels(Builder& b, const Wheels& w, Id label, Draw& draw) {
  const auto disc = b.surface({Material::wheel, label, draw.near(rgb(0x9A9C9E)), rgb(0x141518), 0, 0, draw.seed()});
  const auto black = b.surface({Material::plain, label, rgb(0x141518), {}, 0, 0, draw.seed()});
  const float r = w.radius;
  for (const float s : {-1.0f, 1.0f})
    for (const float z : {w.front, w.rear}) {
      const float x = s * (w.half_width + 0.01f), in = s * (w.half_width - 0.22f);
      b.quad(disc, {x, 0, z + s * -r}, {x, 0, z + s * r}, {x, 2 * r, z + s * r}, {x, 2 * r, z + s * -r}, true);
      b.box(black, {std::min(x, in), 0, z - r * 0.6f}, {std::max(x, in), r * 1.2f, z + r * 0.6f});
    }
}

}  // namespace

Footprint build_car(Builder& b, const Style& style, Draw draw) {
  struct Kind {
    float length, width, height, hood, rear, rear_slope, front_slope;  // metres
  };
  static constexpr Kind kinds[] = {
      {3.95f, 1.74f, 1.48f, 0.95f, 0.04f, 0.5f, 0.75f},  // hatchback
      {4.6f, 1.82f, 1.44f, 1.15f, 0.75f, 0.6f, 0.8f},    // saloon
      {4.65f, 1.83f, 1.5f, 1.1f, 0.05f, 0.4f, 0.75f},    // estate
      {4.55f, 1.9f, 1.72f, 1.1f, 0.06f, 0.35f, 0.6f},    // off-road
      {4.9f, 1.95f, 1.98f, 0.75f, 0.03f, 0.1f, 0.65f},   // van
      {3.3f, 1.66f, 1.54f, 0.65f, 0.04f, 0.3f, 0.6f},    // city car
  };
  const Kind& kind = draw.pick(kinds);
  const float size = draw.range(0.96f, 1.05f), l = kind.length * size / 2, w = kind.width * size / 2,
              h = kind.height * size;
  const float low = 0.24f, belt = h * 0.6f, nose = belt - draw.range(0.08f, 0.22f);
  const Colour colour = paint(style, draw, draw.pick(paints), 0.25f);
  const Wheels wheels{draw.range(0.3f, 0.35f), w, l - 0.8f, -l + 0.8f};
  const auto side = b.surface({Material::car_side, car, colour, {}, wheels.radius, low, draw.seed()});
  const auto metal = b.surface({Material::plain, car, colour, {}, 0.45f, 0, draw.seed()});
  const auto tail = b.surface({Material::car_end, car, colour, {}, 0, style.night, draw.seed()});
  const auto face = b.surface({Material::car_end, car, colour, {}, 1, style.night, draw.seed()});
  const auto glass = b.surface({Material::cabin, car, colour, {}, 1, 0, draw.seed()});
  const auto panes = b.surface({Material::cabin, car, colour, {}, kind.height > 1.9f ? 3.0f : 2.0f, 0, draw.seed()});
  const float screen = l - kind.hood * size, back = -l + kind.rear * size;
  const Vec3 right[] = {{w, low, -l}, {w, low, l}, {w, nose, l}, {w, belt, screen}, {w, belt, -l}};
  const Vec3 left[] = {{-w, low, l}, {-w, low, -l}, {-w, belt, -l}, {-w, belt, screen}, {-w, nose, l}};
  b.polygon(side, right);
  b.polygon(side, left);
  b.quad(tail, {-w, low, -l}, {w, low, -l}, {w, belt, -l}, {-w, belt, -l});
  b.quad(face, {w, low, l}, {-w, low, l}, {-w, nose, l}, {w, nose, l});
  b.quad(metal, {-w, belt, screen}, {w, belt, screen}, {w, nose, l}, {-w, nose, l});
  b.quad(metal, {-w, belt, -l}, {w, belt, -l}, {w, belt, screen}, {-w, belt, screen});
  const float in = w * 0.95f, top = w * 0.76f, zf = screen - kind.front_slope, zb = back + kind.rear_slope;
  b.quad(panes, {in, belt, back}, {in, belt, screen}, {top, h, zf}, {top, h, zb});
  b.quad(panes, {-in, belt, screen}, {-in, belt, back}, {-top, h, zb}, {-top, h, zf});
  b.quad(glass, {-in, belt, back}, {in, belt, back}, {top, h, zb}, {-top, h, zb});
  b.quad(glass, {in, belt, screen}, {-in, belt, screen}, {-top, h, zf}, {top, h, zf});
  b.quad(metal, {-top, h, zb}, {top, h, zb}, {top, h, zf}, {-top, h, zf});
  for (const float s : {-1.0f, 1.0f}) b.sphere(metal, {s * (w + 0.08f), belt + 0.08f, screen - 0.35f}, 0.1f);
  build_wheels(b, wheels, car, draw);
  b.contact(w + 0.12f, l + 0.12f);
  if (style.night > 0) b.lamp({0, 0.6f, l + 1.5f}, Colour{0.95f, 0.92f, 0.8f} * (1.6f * style.night));
  return {2 * w, 2 * l};
}

Footprint build_truck(Builder& b, const Style& style, Draw draw) {
  static constexpr Colour boxes[] = {rgb(0xDADAD6), rgb(0xB8B4AA), rgb(0x2F5A8A),
                                     rgb(0xA83A30), rgb(0x3A6A4A), rgb(0xC8952E)};
  const float l = draw.range(5.5f, 9) / 2, w = draw.range(1.1f, 1.25f), high = draw.range(2.9f, 3.7f),
              cab_high = draw.range(2.4f, 2.9f);
  const Colour colour = paint(style, draw, draw.pick(paints)), box_colour = paint(style, draw, draw.pick(boxes));
  const auto side = b.surface({Material::bus_end, truck, colour, {}, 2, style.night, draw.seed()});
  const auto face = b.surface({Material::bus_end, truck, colour, {}, 1, style.night, draw.seed()});
  const auto plain = b.surface({Material::plain, truck, colour, {}, 0.3f, 0, draw.seed()});
  const auto black = b.surface({Material::plain, truck, rgb(0x202226), {}, 0, 0, draw.seed()});
  const auto tail = b.surface({Material::car_end, truck, rgb(0x2A2C30), {}, 0, style.night, draw.seed()});
  const float cab = l - 2.0f;
  b.box(side, plain, face, plain, {-w, 0.45f, cab}, {w, cab_high, l});
  b.box(black, tail, black, black, {-w + 0.1f, 0.45f, -l}, {w - 0.1f, 0.95f, cab});
  if (draw.chance(0.8f)) {
    const auto box =
        b.surface({Material::cargo, truck, box_colour, paint(style, draw, draw.pick(paints)), 0, 0, draw.seed()});
    b.box(box, {-w, 0.95f, -l}, {w, high, cab - 0.25f});
  } else {  // a flat bed with a load
    const auto bed = b.surface({Material::plain, truck, box_colour, {}, 0.1f, 0, draw.seed()});
    const auto load = b.surface({Material::masonry, truck, rgb(0x8A7A62), rgb(0x5A5048), 0.4f, 0, draw.seed()});
    b.box(bed, {-w, 0.95f, -l}, {w, 1.45f, cab - 0.25f});
    b.box(load, {-w + 0.2f, 1.45f, -l + 0.6f}, {w - 0.2f, draw.range(1.7f, 2.3f), cab - 0.8f});
  }
  build_wheels(b, {0.48f, w, l - 1.1f, -l + 1.2f}, truck, draw);
  b.contact(w + 0.15f, l + 0.15f);
  return {2 * w, 2 * l};
}

Footprint build_bus(Builder& b, const Style& style, Draw draw) {
  static constexpr Colour liveries[] = {rgb(0xC8A02A), rgb(0xB02A2A), rgb(0x2A5AA0),
                                        rgb(0xE0DED8), rgb(0x3A8A5A), rgb(0x7A2A6A)};
  const float l = draw.range(9, 12.5f) / 2, w = draw.range(1.2f, 1.3f),
              h = draw.chance(0.12f) ? 4.2f : draw.range(2.9f, 3.2f);
  const Colour colour = paint(style, draw, draw.pick(liveries)),
               trim = draw.chance(0.5f) ? rgb(0xE4E2DC) : colour * 0.6f;
  const auto side = b.surface({Material::bus_side, bus, colour, trim, h > 4 ? 2.0f : 1.0f, style.night, draw.seed()});
  const auto face = b.surface({Material::bus_end, bus, colour, trim, 1, style.night, draw.seed()});
  const auto tail = b.surface({Material::bus_end, bus, colour, trim, 0, style.night, draw.seed()});
  const auto roof = b.surface({Material::plain, bus, mix(colour, rgb(0xDDDDDD), 0.5f), {}, 0.2f, 0, draw.seed()});
  b.box(side, tail, face, roof, {-w, 0.32f, -l}, {w, h, l});
  build_wheels(b, {0.48f, w, l - 2.4f, -l + 2.6f}, bus, draw);
  b.contact(w + 0.15f, l + 0.15f);
  return {2 * w, 2 * l};
}

Footprint build_tram(Builder& b, const Style& style, Draw draw) {
  static constexpr Colour liveries[] = {rgb(0xB8282C), rgb(0xD8B430), rgb(0x2F6FA8), rgb(0x2F7A52), rgb(0xD9D7D0)};
  const int cars = draw.between(2, 3);
  const float l = 7.2f, w = 1.2f, h = 3.3f;
  const Colour colour = paint(style, draw, draw.pick(liveries)),
               trim = draw.chance(0.6f) ? rgb(0xE9E6DD) : rgb(0x2A2C30);
  const auto side = b.surface({Material::bus_side, train, colour, trim, 1, style.night, draw.seed()});
  const auto face = b.surface({Material::bus_end, train, colour, trim, 1, style.night, draw.seed()});
  const auto tail = b.surface({Material::bus_end, train, colour, trim, 0, style.night, draw.seed()});
  const auto roof = b.surface({Material::plain, train, rgb(0x9A9C9C), {}, 0.1f, 0, draw.seed()});
  const auto black = b.surface({Material::plain, train, rgb(0x1C1E22), {}, 0, 0, draw.seed()});
  const float all = static_cast<float>(cars) * 2 * l;
  for (int i = 0; i < cars; ++i) {
    const float z0 = -all / 2 + 2 * l * static_cast<float>(i), z1 = z0 + 2 * l - 0.35f;
    b.box(side, i == 0 ? tail : black, i == cars - 1 ? face : black, roof, {-w, 0.3f, z0}, {w, h, z1});
    b.box(black, {-w + 0.15f, 0.05f, z0 + 0.4f}, {w - 0.15f, 0.5f, z1 - 0.4f});
    if (i + 1 < cars) b.box(black, {-w + 0.2f, 0.35f, z1}, {w - 0.2f, h - 0.15f, z1 + 0.35f});  // a gangway
    b.box(roof, {-0.7f, h, z0 + 2}, {0.7f, h + 0.3f, z1 - 2});
  }
  b.capsule(black, {0, h + 0.3f, 0}, {0, h + 1.2f, 0.8f}, 0.04f);
  b.contact(w + 0.1f, all / 2);
  return {2 * w, all};
}

}  // namespace rein::data::scenes
