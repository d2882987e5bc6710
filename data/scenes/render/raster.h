// Which primitive each sample sees, and where shadows fall on the ground.
#pragma once

#include <span>
#include <vector>

#include "data/scenes/build/world.h"
#include "data/scenes/render/camera.h"

namespace rein::data::scenes {

inline constexpr std::int32_t no_primitive = -1;  // ground or sky

// One entry per sample, rows first.
struct Visible {
  std::vector<float> nearness;          // 1 / depth; 0 where there is nothing
  std::vector<std::int32_t> primitive;  // polygon p: p; capsule c: polygons + c; else no_primitive
};

Visible rasterise(const World& world, const Camera& camera);

// One entry per sample; meaningful where the ground is seen.
struct GroundShade {
  std::vector<std::uint8_t> shadow;  // 1: an object stands between here and the sun
  std::vector<float> open;           // part of the sky light that arrives, lower beside and below things
};

// `sun` points to the sun; its y is 0 or less: there is none.
GroundShade shade_ground(const World& world, const Camera& camera, Vec3 sun);

// Whether a surface has a hole at (u, v) of a polygon; for foliage at point p of a sphere, `rim` from 0 at its outline
// to 1 at the centre.
bool is_hole(const Surface& surface, const Polygon& polygon, float u, float v);
bool is_hole(const Surface& surface, Vec3 p, float rim);

}  // namespace rein::data::scenes
