// Walks over the samples that a convex polygon covers.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "data/scenes/render/camera.h"

namespace rein::data::scenes {

inline constexpr int max_corners = 24;

// The part of a polygon (camera coordinates) beyond the near plane; returns its number of corners.
inline int clip_near(std::span<const Vec3> in, std::array<Vec3, max_corners>& out) {
  int count = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const Vec3 a = in[i], b = in[i + 1 == in.size() ? 0 : i + 1];
    if (a.z >= near_depth) out[static_cast<std::size_t>(count++)] = a;
    if ((a.z >= near_depth) != (b.z >= near_depth))
      out[static_cast<std::size_t>(count++)] = mix(a, b, (near_depth - a.z) / (b.z - a.z));
  }
  return count;
}

// Calls f(y, begin, end) for each row of samples whose centres lie inside. Neighbours that share an edge share no
// sample and leave none out. `points` in camera coordinates, in front of the near plane.
template <class F>
void scan(const Camera& camera, std::span<const Vec3> points, F&& f) {
  std::array<float, max_corners> x{}, y{};
  float top = 1e30f, bottom = -1e30f;
  for (std::size_t i = 0; i < points.size(); ++i) {
    x[i] = camera.centre_x + camera.focal * points[i].x / points[i].z;
    y[i] = camera.centre_y - camera.focal * points[i].y / points[i].z;
    top = std::min(top, y[i]);
    bottom = std::max(bottom, y[i]);
  }
  const auto h = static_cast<float>(camera.height), w = static_cast<float>(camera.width);
  const int first = static_cast<int>(std::ceil(std::clamp(top - 0.5f, 0.0f, h)));
  const int last = static_cast<int>(std::ceil(std::clamp(bottom - 0.5f, 0.0f, h)));
  for (int row = first; row < last; ++row) {
    const float at = static_cast<float>(row) + 0.5f;
    float left = 1e30f, right = -1e30f;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const std::size_t k = i + 1 == points.size() ? 0 : i + 1;
      if ((y[i] <= at) == (y[k] <= at)) continue;
      const float cut = x[i] + (x[k] - x[i]) * ((at - y[i]) / (y[k] - y[i]));
      left = std::min(left, cut);
      right = std::max(right, cut);
    }
    if (right <= left) continue;
    const int begin = static_cast<int>(std::ceil(std::clamp(left - 0.5f, 0.0f, w)));
    const int end = static_cast<int>(std::ceil(std::clamp(right - 0.5f, 0.0f, w)));
    if (begin < end) f(row, begin, end);
  }
}

}  // namespace rein::data::scenes
