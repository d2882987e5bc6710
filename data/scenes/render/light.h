// The light and air of one scene: what its style says, with the scene's own draw.
#pragma once

#include "data/scenes/build/world.h"
#include "data/scenes/draw.h"
#include "data/scenes/render/camera.h"
#include "data/scenes/styles/style.h"

namespace rein::data::scenes {

struct Light {
  Vec3 to_sun;  // y 0 or less: there is no sun
  Colour sun, ambient, zenith, horizon, cloud, haze;
  float clouds = 0, fog = 0, night = 0;
  std::uint32_t seed = 0;

  bool has_sun() const { return to_sun.y > 0; }
  Colour sky(Vec3 direction) const;        // with clouds, sun and stars
  Colour plain_sky(Vec3 direction) const;  // the gradient alone: what glass and puddles show
  Colour through_air(Colour c, float metres) const;
};

Light make_light(const Style& style, Draw draw);

// What a surface point sends to the eye. `sunny`: the sun reaches it; `open`: part of the sky that it sees.
struct Shading {
  Vec3 at, normal, view;  // view: unit vector from the eye to the point
  bool sunny = true;
  float open = 1;
  bool soft = false;  // leaves: light wraps around
};
struct Look;
Colour lit(const Light& light, const std::vector<Lamp>& lamps, const Look& look, const Shading& point);

}  // namespace rein::data::scenes
