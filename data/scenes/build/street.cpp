#include "data/scenes/build/street.h"

namespace rein::data::scenes {
namespace {

void plan_lots(Side& side, const Street& street, Draw draw) {
  // A side is town, suburb or green; a lot may differ.
  struct Mood {
    float town, suburb;  // probabilities of a block and of a house; the rest is open
  };
  static constexpr Mood moods[] = {{0.8f, 0.05f}, {0.8f, 0.05f}, {0.15f, 0.55f}, {0.1f, 0.1f}};
  const Mood& mood = draw.pick(moods);
  float z = -20 + draw.range(0, 8);
  while (z < street_end) {
    Lot lot;
    lot.begin = z;
    const float kind = draw.uniform();
    if (kind < mood.town) {
      lot.kind = LotKind::block;
      lot.height = 3.6f + 3.1f * static_cast<float>(draw.between(1, 7));
      lot.end = z + draw.range(9, 26);
      lot.setback = draw.chance(0.3f) ? draw.range(0, 2.5f) : 0;
    } else if (kind < mood.town + mood.suburb) {
      lot.kind = LotKind::house;
      lot.height = draw.range(3.2f, 6.5f);
      lot.end = z + draw.range(10, 18);
      lot.setback = draw.range(2.5f, 6);
    } else {
      static constexpr LotKind open[] = {LotKind::park, LotKind::park, LotKind::wall, LotKind::wall, LotKind::fence};
      lot.kind = draw.pick(open);
      lot.end = z + draw.range(8, 30);
    }
    if (street.crossing_half > 0) {  // nothing stands on the crossing street or its sidewalks
      const float lo = street.crossing - street.crossing_half - 3, hi = street.crossing + street.crossing_half + 3;
      if (lot.begin < hi && lot.end > lo) {
        if (lot.begin < lo - 6) {
          lot.end = lo;
        } else {
          z = std::max(z, hi);
          if (lot.begin < hi) continue;
        }
      }
    }
    side.lots.push_back(lot);
    z = lot.end + (draw.chance(0.12f) ? draw.range(1, 4) : 0);
  }
  for (std::size_t i = 0; i < side.skyline.size(); ++i) {
    const float at = -19 + 2 * static_cast<float>(i);
    for (const Lot& lot : side.lots)
      if (lot.height > 0 && at >= lot.begin && at < lot.end) side.skyline[i] = lot.height;
  }
}

}  // namespace

Id Street::ground(float s, float z) const {
  const Side& here = side(s);
  const float off = std::abs(s);
  if (off <= here.kerb) return road;
  if (crossing_half > 0) {
    const float away = std::abs(z - crossing);
    if (away < crossing_half) return road;
    if (away < crossing_half + 2.5f) return sidewalk;
  }
  if (off <= here.paved_to) return sidewalk;
  if (off <= here.frontage) return terrain;
  for (const Lot& lot : here.lots)
    if (z >= lot.begin && z < lot.end) return lot.kind == LotKind::block ? sidewalk : terrain;
  return terrain;
}

Street plan_street(Draw draw) {
  Street street;
  street.seed = draw.seed();
  street.lanes = draw.chance(0.25f) ? 2 : 1;
  street.lane = draw.range(2.7f, 3.4f);
  street.bend = draw.chance(0.6f) ? draw.range(-0.0035f, 0.0035f) : 0;
  street.density = draw.range(0.35f, 1.5f);
  street.yellow = draw.chance(0.3f);
  street.dashed = draw.chance(0.6f);
  if (draw.chance(0.4f)) {
    street.crossing = draw.range(20, 60);
    street.crossing_half = draw.range(3.5f, 6.5f);
    if (draw.chance(0.7f)) street.zebra = street.crossing - street.crossing_half - 5.5f;
  } else if (draw.chance(0.3f)) {
    street.zebra = draw.range(9, 40);
  }
  street.own_s = street.lane * (static_cast<float>(draw.between(1, street.lanes)) - 0.5f);
  street.tram = draw.chance(0.25f);
  const float lanes = street.lane * static_cast<float>(street.lanes);
  street.tram_s = street.lanes == 2 ? -street.lane * 0.5f : -street.lane * 0.55f;
  for (int i = 0; i < 2; ++i) {
    Side& side = street.sides[static_cast<std::size_t>(i)];
    Draw own = draw.child(i == 0 ? "left" : "right");
    side.sign = i == 0 ? -1.0f : 1.0f;
    side.parking = own.chance(0.55f);
    side.kerb = lanes + (side.parking ? own.range(2.1f, 2.5f) : own.range(0.2f, 0.6f));
    side.paved_to = side.kerb + own.range(1.8f, 5);
    side.frontage = side.paved_to + (own.chance(0.45f) ? own.range(1, 4.5f) : 0);
    plan_lots(side, street, own.child("lots"));
  }
  return street;
}

}  // namespace rein::data::scenes
