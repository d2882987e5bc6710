// A pinhole camera over a grid of samples.
#pragma once

#include "data/scenes/draw.h"
#include "data/scenes/styles/style.h"
#include "data/scenes/vec.h"

namespace rein::data::scenes {

inline constexpr float near_depth = 0.2f;  // metres; what is nearer is cut off

struct Camera {
  Vec3 position, right, up, ahead;
  float focal = 1;  // in samples
  float centre_x = 0, centre_y = 0;
  int width = 0, height = 0;  // in samples

  Vec3 to_camera(Vec3 p) const {
    const Vec3 d = p - position;
    return {dot(d, right), dot(d, up), dot(d, ahead)};
  }
  float slope_x(float x) const { return (x - centre_x) / focal; }
  float slope_y(float y) const { return (centre_y - y) / focal; }
  // A point of depth z on the ray of sample position (x, y) is position + z * ray(x, y).
  Vec3 ray(float x, float y) const { return ahead + right * slope_x(x) + up * slope_y(y); }
};

// `width` and `height` in samples. `x` is where in the street the camera stands.
Camera make_camera(const Style& style, Draw draw, float x, int height, int width);

}  // namespace rein::data::scenes
