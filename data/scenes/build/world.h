// What a scene is made of: flat convex polygons and capsules (a rod with round ends; a sphere when both ends are one),
// each with a surface. Every object builds itself from these two, so there is one rasteriser and exact labels.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "data/scenes/build/street.h"
#include "data/scenes/vec.h"

namespace rein::data::scenes {

enum class Material : std::uint8_t {
  plain,
  facade,
  roof,
  shop_box,
  masonry,
  planks,
  bars,
  hedge,
  skyline,
  car_side,
  car_end,
  cabin,
  wheel,
  ring,
  cargo,
  bus_side,
  bus_end,
  sign,
  lights,
  foliage,
  bark,
  cloth,
  lamp
};

struct Surface {
  Material material = Material::plain;
  Id label = building;
  Colour a{}, b{};     // two colours; what they colour is the material's affair
  float p = 0, q = 0;  // two numbers, likewise
  std::uint32_t seed = 0;
};

struct Polygon {
  std::uint32_t surface = 0;
  int count = 4;
  bool both_sides = false;
  std::array<Vec3, 5> points{};
  Vec3 u, v, normal;            // unit axes of the plane: u along the first edge, v upwards in it
  float width = 0, height = 0;  // extent along u and v
};

struct Capsule {
  std::uint32_t surface = 0;
  Vec3 a, b;
  float radius = 0;
};

// A lamp: its light, its colour times power.
struct Lamp {
  Vec3 at;
  Colour colour;
};

// Darker ground below something: a rectangle with its own axes.
struct Contact {
  Vec3 at;
  float heading = 0, half_width = 0, half_length = 0;
};

struct World {
  std::vector<Surface> surfaces;
  std::vector<Polygon> polygons;
  std::vector<Capsule> capsules;
  std::vector<Lamp> lamps;
  std::vector<Contact> contacts;
};

// A place and a heading (0: along z, positive: to the right) in which an object is built with coordinates of its own.
class Builder {
 public:
  Builder(World& world, Vec3 origin, float heading = 0)
      : world_(world), origin_(origin), heading_(heading), cos_(std::cos(heading)), sin_(std::sin(heading)) {}

  Vec3 at(Vec3 p) const { return origin_ + Vec3{p.x * cos_ + p.z * sin_, p.y, p.z * cos_ - p.x * sin_}; }
  std::uint32_t surface(const Surface& surface) {
    world_.surfaces.push_back(surface);
    return static_cast<std::uint32_t>(world_.surfaces.size() - 1);
  }
  // Corners as seen from outside: bottom left, bottom right, and on around. Three to five.
  void polygon(std::uint32_t surface, std::span<const Vec3> corners, bool both_sides = false);
  void quad(std::uint32_t surface, Vec3 a, Vec3 b, Vec3 c, Vec3 d, bool both_sides = false) {
    const Vec3 corners[] = {a, b, c, d};
    polygon(surface, corners, both_sides);
  }
  // Four walls and a lid; the ends (facing -z and +z) may have surfaces of their own.
  void box(std::uint32_t sides, std::uint32_t back, std::uint32_t front, std::uint32_t top, Vec3 lo, Vec3 hi);
  void box(std::uint32_t all, Vec3 lo, Vec3 hi) { box(all, all, all, all, lo, hi); }
  void capsule(std::uint32_t surface, Vec3 a, Vec3 b, float radius) {
    world_.capsules.push_back({surface, at(a), at(b), radius});
  }
  void sphere(std::uint32_t surface, Vec3 at, float radius) { capsule(surface, at, at, radius); }
  void lamp(Vec3 p, Colour colour) { world_.lamps.push_back({at(p), colour}); }
  void contact(float half_width, float half_length, Vec3 p = {}) {
    world_.contacts.push_back({at(p), heading_, half_width, half_length});
  }

 private:
  World& world_;
  Vec3 origin_;
  float heading_, cos_, sin_;
};

}  // namespace rein::data::scenes
