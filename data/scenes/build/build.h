// The things of a street. Each function builds one kind of thing into a world.
#pragma once

#include "data/scenes/build/world.h"
#include "data/scenes/draw.h"
#include "data/scenes/styles/style.h"

namespace rein::data::scenes {

// Along both sides of the street: what stands on the lots, the far end, and what stands on the sidewalks.
void build_lots(World& world, const Street& street, const Style& style, Draw draw);
void build_skyline(World& world, const Street& street, const Style& style, Draw draw);
void build_furniture(World& world, const Street& street, const Style& style, Draw draw);
// Vehicles in the lanes and at the kerbs, people and bicycles.
void build_traffic(World& world, const Street& street, const Style& style, Draw draw);

// Single things, in a builder's own coordinates: they stand at y = 0 around the origin and look along z.
void build_block(Builder& b, const Lot& lot, float sign, float length, const Style& style, Draw draw);
void build_house(Builder& b, const Lot& lot, float sign, float length, const Style& style, Draw draw);
void build_tree(Builder& b, const Style& style, Draw draw, float height);
void build_bush(Builder& b, const Style& style, Draw draw, float height);
struct Footprint {
  float width = 0, length = 0;
};
Footprint build_car(Builder& b, const Style& style, Draw draw);
Footprint build_truck(Builder& b, const Style& style, Draw draw);
Footprint build_bus(Builder& b, const Style& style, Draw draw);
Footprint build_tram(Builder& b, const Style& style, Draw draw);
Footprint build_bicycle(Builder& b, const Style& style, Draw draw, bool ridden);
Footprint build_motorcycle(Builder& b, const Style& style, Draw draw, bool ridden);
void build_person(Builder& b, const Style& style, Draw draw, bool walking);

// A person's skin, clothes and hair as surfaces with one label.
struct Outfit {
  std::uint32_t skin, hair, top, legs, shoes;
};
Outfit dress(Builder& b, const Style& style, Draw& draw, Id label);
// A colour of paint, cloth and the like, as colourful as the style wants it.
Colour paint(const Style& style, Draw& draw, Colour colour, float amount = 0.2f);

}  // namespace rein::data::scenes
