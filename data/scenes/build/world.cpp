#include "data/scenes/build/world.h"

namespace rein::data::scenes {

void Builder::polygon(std::uint32_t surface, std::span<const Vec3> corners, bool both_sides) {
  Polygon p;
  p.surface = surface;
  p.count = static_cast<int>(corners.size());
  p.both_sides = both_sides;
  for (std::size_t i = 0; i < corners.size(); ++i) p.points[i] = at(corners[i]);
  const Vec3 edge = p.points[1] - p.points[0], last = p.points[corners.size() - 1] - p.points[0];
  p.u = normalised(edge);
  p.normal = normalised(cross(last, edge));
  p.v = cross(p.u, p.normal);
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const Vec3 d = p.points[i] - p.points[0];
    p.width = std::max(p.width, dot(d, p.u));
    p.height = std::max(p.height, dot(d, p.v));
  }
  world_.polygons.push_back(p);
}

void Builder::box(std::uint32_t sides, std::uint32_t back, std::uint32_t front, std::uint32_t top, Vec3 lo, Vec3 hi) {
  quad(back, {lo.x, lo.y, lo.z}, {hi.x, lo.y, lo.z}, {hi.x, hi.y, lo.z}, {lo.x, hi.y, lo.z});
  quad(front, {hi.x, lo.y, hi.z}, {lo.x, lo.y, hi.z}, {lo.x, hi.y, hi.z}, {hi.x, hi.y, hi.z});
  quad(sides, {lo.x, lo.y, hi.z}, {lo.x, lo.y, lo.z}, {lo.x, hi.y, lo.z}, {lo.x, hi.y, hi.z});
  quad(sides, {hi.x, lo.y, lo.z}, {hi.x, lo.y, hi.z}, {hi.x, hi.y, hi.z}, {hi.x, hi.y, lo.z});
  quad(top, {lo.x, hi.y, lo.z}, {hi.x, hi.y, lo.z}, {hi.x, hi.y, hi.z}, {lo.x, hi.y, hi.z});
}

}  // namespace rein::data::scenes
