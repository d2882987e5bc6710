// What surfaces look like before light falls on them.
#pragma once

#include "data/scenes/build/street.h"
#include "data/scenes/build/world.h"
#include "data/scenes/styles/style.h"

namespace rein::data::scenes {

// A point of a surface as one sample sees it.
struct Spot {
  Vec3 at, normal;
  float u = 0, v = 0;           // metres on its polygon
  float width = 1, height = 1;  // of the polygon
  float blur = 0.01f;           // metres that one sample covers: detail finer than this is averaged
  float texture = 1;            // contrast, of the style
  float night = 0;
};

struct Look {
  Colour albedo{0.5f, 0.5f, 0.5f};
  Colour glow{};    // light of its own
  float gloss = 0;  // how much of the sky it mirrors, 0..1
};

Look look_at(const Surface& surface, const Spot& spot);
Look look_at_facade(const Surface& surface, const Spot& spot);
Look look_at_vehicle(const Surface& surface, const Spot& spot);
Look look_at_ground(const Street& street, const Style& style, const Spot& spot, float s, float z, Id label);

// Part of [x - w/2, x + w/2] inside [lo, hi]: an edge of a pattern, averaged over a sample.
inline float cover(float x, float lo, float hi, float w) {
  return clamp01((std::min(x + w / 2, hi) - std::max(x - w / 2, lo)) / std::max(w, 1e-5f));
}
// The same for a pattern of bands [0, width) repeated every `period`.
inline float bands(float x, float period, float width, float w) {
  if (w > period) return width / period;
  const float f = fraction(x / period) * period;
  return std::min(1.0f, cover(f, 0, width, w) + cover(f, period, period + width, w));
}
// How much of a pattern of this size is left when samples cover `blur` metres.
inline float detail(float size, float blur) {
  return clamp01(1.4f - blur / size);
}

}  // namespace rein::data::scenes
