// What stands on the lots along the street: buildings, parks behind hedges, walls, fences; and the green of verges.
#include "data/scenes/build/build.h"

namespace rein::data::scenes {
namespace {

// A barrier along the frontage in pieces that follow the bend.
template <class F>
void along(World& world, const Street& street, float s, float begin, float end, F&& piece) {
  const int count = std::max(1, static_cast<int>((end - begin) / 8));
  for (int i = 0; i < count; ++i) {
    const float z0 = begin + (end - begin) * static_cast<float>(i) / static_cast<float>(count);
    const float z1 = begin + (end - begin) * static_cast<float>(i + 1) / static_cast<float>(count);
    const Vec3 a = street.at(s, z0), c = street.at(s, z1);
    Builder b(world, (a + c) * 0.5f, std::atan2(c.x - a.x, c.z - a.z));
    piece(b, length(c - a) / 2 + 0.02f);
  }
}

void build_wall(World& world, const Street& street, const Lot& lot, const Side& side, Draw draw) {
  static constexpr Colour stones[] = {rgb(0x9A8F80), rgb(0x8C5A48), rgb(0xA8A49C), rgb(0x7A746C), rgb(0xB9AE98)};
  const float height = draw.range(1.0f, 2.6f);
  const Colour stone = draw.near(draw.pick(stones));
  const Surface face{
      Material::masonry, wall, stone, stone * 1.25f, draw.range(0.09f, 0.3f), draw.chance(0.3f) ? 1.0f : 0.0f,
      draw.seed()};
  const Surface cap{Material::plain, wall, stone * 0.75f, {}, 0, 0, draw.seed()};
  along(world, street, side.sign * side.frontage, lot.begin, lot.end, [&](Builder& b, float half) {
    const auto body = b.surface(face), lid = b.surface(cap);
    b.box(body, body, body, lid, {-0.15f, 0, -half}, {0.15f, height, half});
    b.box(lid, {-0.2f, height, -half}, {0.2f, height + 0.1f, half});
    b.contact(0.4f, half);
  });
}

void build_fence(World& world, const Street& street, const Lot& lot, const Side& side, Draw draw) {
  static constexpr Colour woods[] = {rgb(0x8A6A4A), rgb(0xD8D4CA), rgb(0x6B5A48), rgb(0x54604A), rgb(0x4A4C50)};
  const float height = draw.range(0.9f, 1.9f);
  const Colour wood = draw.near(draw.pick(woods));
  const bool rails = draw.chance(0.4f);
  const Surface face =
      rails
          ? Surface{Material::bars, fence, wood * 0.7f, {}, draw.range(0.16f, 0.24f), 0.07f, draw.seed()}
          : Surface{Material::planks, fence, wood, wood * 0.6f, draw.range(0.1f, 0.2f), draw.chance(0.6f) ? 1.0f : 0.0f,
                    draw.seed()};
  const Surface post{Material::plain, fence, wood * 0.8f, {}, 0, 0, draw.seed()};
  along(world, street, side.sign * side.frontage, lot.begin, lot.end, [&](Builder& b, float half) {
    const auto body = b.surface(face), upright = b.surface(post);
    b.quad(body, {0, 0.05f, half}, {0, 0.05f, -half}, {0, height, -half}, {0, height, half}, true);
    for (float z = -half; z <= half; z += std::max(1.9f, half))
      b.box(upright, {-0.06f, 0, z - 0.06f}, {0.06f, height + 0.1f, z + 0.06f});
    b.contact(0.15f, half);
  });
}

void build_hedge(World& world, const Street& street, const Style& style, const Lot& lot, const Side& side, Draw draw) {
  const float height = draw.range(0.8f, 1.8f);
  const Colour green = draw.near(style.leaves.empty() ? rgb(0x47702E) : draw.pick(style.leaves));
  const Surface face{Material::hedge, vegetation, green, green * 0.45f, 0.2f, 0, draw.seed()};
  along(world, street, side.sign * (side.frontage + 0.6f), lot.begin, lot.end, [&](Builder& b, float half) {
    b.box(b.surface(face), {-0.5f, 0, -half}, {0.5f, height, half});
    b.contact(0.7f, half);
  });
}

void build_trees(World& world, const Street& street, const Style& style, float s, float begin, float end, float gap,
                 Draw draw) {
  for (float z = begin + draw.range(0, gap); z < end; z += gap * draw.range(0.6f, 1.5f)) {
    Builder b(world, street.at(s + draw.range(-0.3f, 0.3f), z), draw.range(0, 6));
    build_tree(b, style, draw.child(static_cast<std::uint64_t>(z * 16 + 4096)), draw.range(5, 12));
  }
}

void build_open_lot(World& world, const Street& street, const Style& style, const Lot& lot, const Side& side,
                    Draw draw) {
  if (lot.kind == LotKind::wall) build_wall(world, street, lot, side, draw.child("wall"));
  if (lot.kind == LotKind::fence) build_fence(world, street, lot, side, draw.child("fence"));
  if (lot.kind == LotKind::park && draw.chance(0.35f))
    build_hedge(world, street, style, lot, side, draw.child("hedge"));
  const int rows = draw.between(1, 2);
  for (int i = 0; i < rows; ++i) {
    const float s = side.sign * (side.frontage + 3 + 7 * static_cast<float>(i) + draw.range(0, 3));
    build_trees(world, street, style, s, lot.begin, lot.end, draw.range(6, 12),
                draw.child("trees").child(static_cast<std::uint64_t>(i)));
  }
  const int bushes = draw.between(0, 4);
  for (int i = 0; i < bushes; ++i) {
    Builder b(world, street.at(side.sign * (side.frontage + draw.range(1.5f, 8)), draw.range(lot.begin, lot.end)));
    build_bush(b, style, draw.child("bush").child(static_cast<std::uint64_t>(i)), draw.range(0.6f, 1.7f));
  }
  if (draw.chance(0.45f)) {  // a building far behind
    Lot behind = lot;
    behind.height = draw.range(7, 16);
    behind.setback = draw.range(16, 26);
    const float z = (lot.begin + lot.end) / 2;
    Builder b(world, street.at(side.sign * side.frontage, z), street.heading(z));
    build_block(b, behind, side.sign, lot.end - lot.begin, style, draw.child("behind"));
  }
}

}  // namespace

void build_lots(World& world, const Street& street, const Style& style, Draw draw) {
  for (std::size_t i = 0; i < street.sides.size(); ++i) {
    const Side& side = street.sides[i];
    Draw own = draw.child(i);
    for (std::size_t k = 0; k < side.lots.size(); ++k) {
      const Lot& lot = side.lots[k];
      Draw at = own.child(k);
      const float z = (lot.begin + lot.end) / 2, span = (lot.end - lot.begin) / std::cos(street.heading(z));
      if (lot.end < 1) continue;
      Builder b(world, street.at(side.sign * side.frontage, z), street.heading(z));
      if (lot.kind == LotKind::block) {
        build_block(b, lot, side.sign, span, style, at);
      } else if (lot.kind == LotKind::house) {
        build_house(b, lot, side.sign, span, style, at);
        if (at.chance(0.6f)) {
          if (at.chance(0.5f))
            build_fence(world, street, lot, side, at.child("fence"));
          else if (at.chance(0.5f))
            build_wall(world, street, lot, side, at.child("wall"));
          else
            build_hedge(world, street, style, lot, side, at.child("hedge"));
        }
        if (at.chance(0.5f))
          build_trees(world, street, style, side.sign * (side.frontage + 1.8f), lot.begin + 2, lot.end, 12,
                      at.child("trees"));
      } else {
        build_open_lot(world, street, style, lot, side, at);
      }
    }
    if (side.frontage > side.paved_to + 0.5f && own.chance(0.7f)) {  // trees in the verge
      build_trees(world, street, style, side.sign * (side.paved_to + side.frontage) / 2, 6, street_end,
                  own.range(9, 16), own.child("verge"));
    } else if (own.chance(0.3f)) {  // or in the sidewalk
      build_trees(world, street, style, side.sign * (side.kerb + 0.7f), 9, street_end, own.range(10, 18),
                  own.child("avenue"));
    }
  }
}

}  // namespace rein::data::scenes
