// Town blocks, small houses with gables, and the skyline that closes the view.
#include "data/scenes/build/build.h"

namespace rein::data::scenes {
namespace {

constexpr Colour common_facades[] = {rgb(0xC9B79C), rgb(0xB08968), rgb(0xA65E4E), rgb(0xD6D0C4),
                                     rgb(0x8E8F93), rgb(0xC8A46A), rgb(0x9DA7B0), rgb(0xE0D6BE),
                                     rgb(0x7F6A5A), rgb(0xB7BDB0), rgb(0x96505A), rgb(0x6F7F8F)};
constexpr Colour tiles[] = {rgb(0x8A4B3A), rgb(0x6E5148), rgb(0x5B5C60), rgb(0x9A5F45), rgb(0x4A4B50)};

Colour facade_colour(const Style& style, Draw& draw) {
  const std::span<const Colour> table = style.facades.empty() ? std::span<const Colour>(common_facades) : style.facades;
  return draw.near(draw.pick(table), 0.14f);
}

}  // namespace

void build_block(Builder& b, const Lot& lot, float sign, float length, const Style& style, Draw draw) {
  const Colour wall_colour = facade_colour(style, draw);
  const Colour trim = draw.chance(0.5f) ? wall_colour * 1.35f : wall_colour * 0.65f;
  const auto front = b.surface(
      {Material::facade, building, wall_colour, trim, draw.range(2.9f, 3.4f), draw.range(1.9f, 3.6f), draw.seed()});
  const auto top = b.surface({Material::plain, building, wall_colour * 0.5f, {}, 0.1f, 0, draw.seed()});
  const float depth = draw.range(9, 14), x0 = sign > 0 ? lot.setback : -lot.setback - depth, half = length / 2;
  b.box(front, front, front, top, {x0, 0, -half}, {x0 + depth, lot.height, half});
  b.contact(depth / 2 + 0.5f, half + 0.4f, {x0 + depth / 2, 0, 0});
  const float face = sign > 0 ? x0 : x0 + depth;
  const auto edge = b.surface({Material::plain, building, trim, {}, 0.1f, 0, draw.seed()});
  if (draw.chance(0.6f))  // a cornice
    b.box(edge, {std::min(face, face - sign * 0.35f), lot.height - 0.5f, -half - 0.05f},
          {std::max(face, face - sign * 0.35f), lot.height + 0.05f, half + 0.05f});
  if (draw.chance(0.35f) && lot.height > 7) {  // balconies in columns
    const auto rail = b.surface({Material::bars, building, trim * 0.6f, {}, 0.14f, 0.05f, draw.seed()});
    const int columns = draw.between(1, 3);
    for (int i = 0; i < columns; ++i) {
      const float z = draw.range(-half + 1.5f, half - 1.5f);
      for (float y = 3.9f + 3.1f; y < lot.height - 2; y += 3.1f) {
        const float out = face - sign * 1.0f;
        b.box(edge, {std::min(face, out), y - 0.15f, z - 1.2f}, {std::max(face, out), y, z + 1.2f});
        b.quad(rail, {out, y, z + sign * 1.2f}, {out, y, z - sign * 1.2f}, {out, y + 0.95f, z - sign * 1.2f},
               {out, y + 0.95f, z + sign * 1.2f}, true);
      }
    }
  }
  if (draw.chance(0.35f)) {  // an awning
    Colour stripes = paint(style, draw, draw.chance(0.5f) ? rgb(0xA8322D) : rgb(0x2F6B4F));
    const auto cloth_id = b.surface({Material::planks, building, stripes, rgb(0xE8E2D6), 0.6f, 2, draw.seed()});
    const float z = draw.range(-half + 2, half - 2), out = face - sign * 1.3f;
    b.quad(cloth_id, {out, 2.5f, z + sign * 2}, {out, 2.5f, z - sign * 2}, {face, 3.2f, z - sign * 2},
           {face, 3.2f, z + sign * 2}, true);
  }
}

void build_house(Builder& b, const Lot& lot, float sign, float length, const Style& style, Draw draw) {
  const Colour wall_colour = facade_colour(style, draw);
  const auto front = b.surface({Material::facade, building, wall_colour, wall_colour * 1.3f, 2.8f,
                                draw.range(2.2f, 3.4f), draw.seed() | 1u});  // odd: no shop
  const auto roof =
      b.surface({Material::masonry, building, draw.near(draw.pick(tiles)), rgb(0x3A302C), 0.3f, 0, draw.seed()});
  const float depth = draw.range(7, 10), x0 = sign > 0 ? lot.setback : -lot.setback - depth,
              half = length / 2 - draw.range(0.8f, 2.5f);
  const float eaves = lot.height, ridge = eaves + draw.range(1.8f, 3.4f), over = 0.45f;
  const Vec3 lo{x0, 0, -half}, hi{x0 + depth, eaves, half};
  b.box(front, lo, hi);
  b.contact(depth / 2 + 0.4f, half + 0.4f, {x0 + depth / 2, 0, 0});
  if (draw.chance(0.5f)) {  // the ridge runs along the street
    const float mid = x0 + depth / 2;
    b.quad(roof, {lo.x - over, eaves - 0.2f, half + over}, {lo.x - over, eaves - 0.2f, -half - over},
           {mid, ridge, -half - over}, {mid, ridge, half + over}, true);
    b.quad(roof, {hi.x + over, eaves - 0.2f, -half - over}, {hi.x + over, eaves - 0.2f, half + over},
           {mid, ridge, half + over}, {mid, ridge, -half - over}, true);
    for (const float end : {-half, half}) {
      const float s = end < 0 ? 1.0f : -1.0f;
      const Vec3 gable[] = {{mid - s * depth / 2, eaves, end}, {mid + s * depth / 2, eaves, end}, {mid, ridge, end}};
      b.polygon(front, gable);
    }
  } else {
    b.quad(roof, {lo.x - over, eaves - 0.2f, -half - over}, {hi.x + over, eaves - 0.2f, -half - over},
           {hi.x + over, ridge, 0}, {lo.x - over, ridge, 0}, true);
    b.quad(roof, {hi.x + over, eaves - 0.2f, half + over}, {lo.x - over, eaves - 0.2f, half + over},
           {lo.x - over, ridge, 0}, {hi.x + over, ridge, 0}, true);
    for (const float side : {lo.x, hi.x}) {
      const float s = side == lo.x ? 1.0f : -1.0f;
      const Vec3 gable[] = {{side, eaves, s * half}, {side, eaves, -s * half}, {side, ridge, 0}};
      b.polygon(front, gable);
    }
  }
  const auto chimney = b.surface({Material::masonry, building, rgb(0x7E4A3C), rgb(0x9A9088), 0.08f, 0, draw.seed()});
  const float cx = x0 + depth * draw.range(0.35f, 0.65f), cz = draw.range(-half / 2, half / 2);
  b.box(chimney, {cx - 0.35f, eaves, cz - 0.35f}, {cx + 0.35f, ridge + 0.7f, cz + 0.35f});
}

void build_skyline(World& world, const Street& street, const Style& style, Draw draw) {
  // Two strips across the view, the farther one higher: a town behind trees, or hills behind a town.
  const bool town_near = draw.chance(0.5f);
  for (int i = 0; i < 2; ++i) {
    const bool town = (i == 0) == town_near;
    const float z = i == 0 ? draw.range(150, 190) : draw.range(210, 280),
                high = draw.range(9, 20) * (i == 0 ? 1.0f : 1.7f);
    Builder b(world, {street.middle(street_end), 0, z});
    const std::span<const Colour> leaves = style.leaves;
    const Colour green = leaves.empty() ? rgb(0x4F6B3A) : draw.pick(leaves) * 0.8f;
    const auto id = b.surface({Material::skyline,
                               town ? building : vegetation,
                               town ? facade_colour(style, draw) * 0.8f : green,
                               {},
                               town ? 1.0f : 0.0f,
                               high,
                               draw.seed()});
    b.quad(id, {-500, 0, 0}, {500, 0, 0}, {500, high, 0}, {-500, high, 0});
  }
}

}  // namespace rein::data::scenes
