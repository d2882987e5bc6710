// The plan of a street: lanes, kerbs, sidewalks, crossing and the lots along both sides. Everything else is placed by
// it. s is metres to the right of the street's middle line, z metres ahead.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "data/scenes/draw.h"
#include "data/scenes/vec.h"

namespace rein::data::scenes {

// Train ids of the Cityscapes classes (data/sets/classes.h).
enum Id : std::uint8_t {
  road,
  sidewalk,
  building,
  wall,
  fence,
  pole,
  traffic_light,
  traffic_sign,
  vegetation,
  terrain,
  sky,
  person,
  rider,
  car,
  truck,
  bus,
  train,
  motorcycle,
  bicycle,
  void_id = 255
};

inline constexpr float street_end = 130;  // lots and traffic end here; a skyline follows

enum class LotKind : std::uint8_t { block, house, park, wall, fence };

struct Lot {
  LotKind kind = LotKind::block;
  float begin = 0, end = 0;  // z
  float height = 0;          // of the building; 0: none
  float setback = 0;         // from the frontage line
};

struct Side {
  float sign = 1;      // right 1, left -1
  float kerb = 4;      // distances from the middle line
  float paved_to = 7;  // end of the sidewalk
  float frontage = 8;  // lots begin; between: a green verge
  bool parking = false;
  std::vector<Lot> lots;
  std::array<float, 80> skyline{};  // height of what stands at the frontage, one entry per 2 m from z = -20
};

struct Street {
  int lanes = 1;                          // per direction
  float lane = 3.3f;                      // width
  float bend = 0;                         // curvature, 1/m
  float crossing = 0, crossing_half = 0;  // z and half width of the street that crosses; half 0: none
  float zebra = 0;                        // z of a zebra crossing's near edge; 0: none
  bool tram = false;
  float tram_s = 0;  // middle of the rails
  bool yellow = false;
  bool dashed = true;  // middle line
  float own_s = 1.6f;  // middle of the camera's lane
  float density = 1;   // of people and cars
  std::uint32_t seed = 0;
  std::array<Side, 2> sides;  // left, right

  float middle(float z) const { return 0.5f * bend * z * z; }
  float heading(float z) const { return std::atan(bend * z); }
  Vec3 at(float s, float z, float y = 0) const { return {s + middle(z), y, z}; }
  const Side& side(float s) const { return sides[s > 0]; }
  bool in_crossing(float z) const { return crossing_half > 0 && std::abs(z - crossing) < crossing_half; }
  Id ground(float s, float z) const;  // road, sidewalk or terrain
};

Street plan_street(Draw draw);

}  // namespace rein::data::scenes
