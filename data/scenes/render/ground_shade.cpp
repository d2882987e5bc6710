// Shadows on the ground: every primitive is projected along the light onto y = 0 and drawn as a flat polygon.
#include "data/scenes/noise.h"
#include "data/scenes/render/raster.h"
#include "data/scenes/render/scan.h"

namespace rein::data::scenes {
namespace {

float turn(Vec3 o, Vec3 a, Vec3 b) {
  return (a.x - o.x) * (b.z - o.z) - (a.z - o.z) * (b.x - o.x);
}

// Convex hull of ground points (monotone chain).
int hull(std::span<Vec3> points, std::array<Vec3, max_corners>& out) {
  std::sort(points.begin(), points.end(), [](Vec3 a, Vec3 b) { return a.x < b.x || (a.x == b.x && a.z < b.z); });
  std::array<Vec3, 2 * max_corners> chain;
  std::size_t k = 0;
  const auto grow = [&](Vec3 p, std::size_t floor) {
    while (k >= floor && turn(chain[k - 2], chain[k - 1], p) <= 0) --k;
    chain[k++] = p;
  };
  for (const Vec3& p : points) grow(p, 2);
  const std::size_t lower = k + 1;
  for (std::size_t i = points.size() - 1; i-- > 0;) grow(points[i], lower);
  const std::size_t count = std::min<std::size_t>(k - 1, max_corners);
  std::copy_n(chain.begin(), count, out.begin());
  return static_cast<int>(count);
}

class Caster {
 public:
  Caster(const Camera& camera, Vec3 sun, GroundShade& out) : camera_(camera), sun_(sun), out_(out) {}

  void cast(const Polygon& p) {
    if (!p.both_sides && dot(p.normal, sun_) <= 0) return;
    std::array<Vec3, 5> ground;
    for (int i = 0; i < p.count; ++i) ground[static_cast<std::size_t>(i)] = drop(p.points[static_cast<std::size_t>(i)]);
    fill({ground.data(), static_cast<std::size_t>(p.count)}, 0);
  }

  void cast(const Capsule& c, bool leaves) {
    // A sphere's shadow is an ellipse, longer along the light.
    const float flat = std::max(std::sqrt(sun_.x * sun_.x + sun_.z * sun_.z), 1e-4f);
    const Vec3 along{sun_.x / flat, 0, sun_.z / flat}, across{along.z, 0, -along.x};
    std::array<Vec3, 20> points;
    std::size_t n = 0;
    for (const Vec3& end : {c.a, c.b})
      for (int i = 0; i < 10; ++i) {
        const float angle = 0.6283185f * static_cast<float>(i);
        points[n++] = drop(end) + across * (c.radius * std::cos(angle)) + along * (c.radius / sun_.y * std::sin(angle));
      }
    std::array<Vec3, max_corners> outline;
    const int count = hull(points, outline);
    if (count >= 3) fill({outline.data(), static_cast<std::size_t>(count)}, leaves ? 1 : 0);
  }

  void darken(const Contact& c) {
    const Vec3 side{std::cos(c.heading), 0, -std::sin(c.heading)}, front{std::sin(c.heading), 0, std::cos(c.heading)};
    constexpr float spread = 0.55f;
    const float w = c.half_width + spread, l = c.half_length + spread;
    const Vec3 corners[] = {c.at - side * w - front * l, c.at + side * w - front * l, c.at + side * w + front * l,
                            c.at - side * w + front * l};
    visit(corners, [&](std::size_t at, Vec3 p) {
      const Vec3 d = p - c.at;
      const float x = std::abs(dot(d, side)) - c.half_width, z = std::abs(dot(d, front)) - c.half_length;
      const float out = std::max(x, z);
      const float open = 0.38f + 0.62f * smooth(-0.35f, spread, out);
      out_.open[at] = std::min(out_.open[at], open);
    });
  }

 private:
  Vec3 drop(Vec3 p) const { return p - sun_ * (std::max(p.y, 0.0f) / sun_.y) - Vec3{0, std::min(p.y, 0.0f), 0}; }

  template <class F>
  void rows(std::span<const Vec3> ground, F&& f) {
    std::array<Vec3, max_corners> corners, clipped;
    for (std::size_t i = 0; i < ground.size(); ++i) corners[i] = camera_.to_camera({ground[i].x, 0, ground[i].z});
    const int count = clip_near({corners.data(), ground.size()}, clipped);
    if (count >= 3) scan(camera_, {clipped.data(), static_cast<std::size_t>(count)}, f);
  }

  template <class F>
  void visit(std::span<const Vec3> ground, F&& f) {
    rows(ground, [&](int y, int begin, int end) {
      for (int x = begin; x < end; ++x) {
        const Vec3 ray = camera_.ray(static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f);
        if (ray.y >= -1e-4f) continue;
        f(static_cast<std::size_t>(y) * static_cast<std::size_t>(camera_.width) + static_cast<std::size_t>(x),
          camera_.position + ray * (camera_.position.y / -ray.y));
      }
    });
  }

  void fill(std::span<const Vec3> ground, int dapple) {
    if (dapple != 0) {
      visit(ground, [&](std::size_t at, Vec3 p) {
        if (noise2(p.x * 3, p.z * 3, 77) < 0.68f) out_.shadow[at] = 1;
      });
      return;
    }
    rows(ground, [&](int y, int begin, int end) {
      const auto row = out_.shadow.begin() + static_cast<std::ptrdiff_t>(y) * camera_.width;
      std::fill(row + begin, row + end, std::uint8_t{1});
    });
  }

  const Camera& camera_;
  Vec3 sun_;
  GroundShade& out_;
};

}  // namespace

GroundShade shade_ground(const World& world, const Camera& camera, Vec3 sun) {
  GroundShade out;
  const auto count = static_cast<std::size_t>(camera.width) * static_cast<std::size_t>(camera.height);
  out.shadow.assign(count, 0);
  out.open.assign(count, 1);
  Caster caster(camera, sun, out);
  if (sun.y > 0) {
    for (const Polygon& p : world.polygons)
      if (world.surfaces[p.surface].material != Material::skyline) caster.cast(p);
    for (const Capsule& c : world.capsules) caster.cast(c, world.surfaces[c.surface].material == Material::foliage);
  }
  for (const Contact& c : world.contacts) caster.darken(c);
  return out;
}

}  // namespace rein::data::scenes
