#include "data/scenes/render/raster.h"

#include "data/scenes/render/scan.h"

namespace rein::data::scenes {
namespace {

bool has_holes(Material m) {
  return m == Material::planks || m == Material::bars || m == Material::skyline || m == Material::wheel ||
         m == Material::ring || m == Material::sign;
}

class Rasteriser {
 public:
  Rasteriser(const World& world, const Camera& camera) : world_(world), camera_(camera) {
    const auto count = static_cast<std::size_t>(camera.width) * static_cast<std::size_t>(camera.height);
    out_.nearness.assign(count, 0);
    out_.primitive.assign(count, no_primitive);
  }

  void draw(const Polygon& p, std::int32_t id) {
    const Vec3 from_eye = p.points[0] - camera_.position;
    if (!p.both_sides && dot(p.normal, from_eye) >= 0) return;
    std::array<Vec3, 5> corners;
    bool in_front = false, before_left = false, before_right = false;
    for (int i = 0; i < p.count; ++i) {
      const Vec3 c = camera_.to_camera(p.points[static_cast<std::size_t>(i)]);
      corners[static_cast<std::size_t>(i)] = c;
      in_front |= c.z >= near_depth;
      before_left |= c.x > -c.z * half_width();
      before_right |= c.x < c.z * half_width();
    }
    if (!in_front || !before_left || !before_right) return;
    std::array<Vec3, max_corners> clipped;
    const int count = clip_near({corners.data(), static_cast<std::size_t>(p.count)}, clipped);
    if (count < 3) return;
    // The plane n·P = d in camera coordinates gives 1/depth = n·(slope_x, slope_y, 1) / d.
    const Vec3 n{dot(p.normal, camera_.right), dot(p.normal, camera_.up), dot(p.normal, camera_.ahead)};
    const float d = dot(p.normal, from_eye);
    if (std::abs(d) < 1e-6f) return;
    const Surface& surface = world_.surfaces[p.surface];
    const bool holes = has_holes(surface.material);
    const float step = n.x / d / camera_.focal;
    scan(camera_, {clipped.data(), static_cast<std::size_t>(count)}, [&](int y, int begin, int end) {
      const float sy = camera_.slope_y(static_cast<float>(y) + 0.5f);
      const float start = (n.y * sy + n.z) / d + n.x / d * camera_.slope_x(0.5f);
      const std::size_t row = static_cast<std::size_t>(y) * static_cast<std::size_t>(camera_.width);
      for (int x = begin; x < end; ++x) {
        const float near = start + step * static_cast<float>(x);
        const std::size_t at = row + static_cast<std::size_t>(x);
        if (near <= out_.nearness[at]) continue;
        if (holes) {
          const Vec3 hit = camera_.position +
                           camera_.ray(static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f) * (1 / near) -
                           p.points[0];
          if (is_hole(surface, p, dot(hit, p.u), dot(hit, p.v))) continue;
        }
        out_.nearness[at] = near;
        out_.primitive[at] = id;
      }
    });
  }

  void draw(const Capsule& c, std::int32_t id) {
    const Vec3 a = camera_.to_camera(c.a), b = camera_.to_camera(c.b);
    int x0 = camera_.width, x1 = 0, y0 = camera_.height, y1 = 0;
    for (const Vec3& end : {a, b}) {
      if (end.z + c.radius < near_depth) continue;
      bounds(end.x, end.z, c.radius, camera_.centre_x, camera_.width, x0, x1);
      bounds(-end.y, end.z, c.radius, camera_.centre_y, camera_.height, y0, y1);
    }
    if (x0 >= x1 || y0 >= y1) return;
    const Surface& surface = world_.surfaces[c.surface];
    const bool ragged = surface.material == Material::foliage;
    const Vec3 ba = b - a;
    const float baba = dot(ba, ba), baoa = -dot(ba, a), oaoa = dot(a, a), r2 = c.radius * c.radius;
    for (int y = y0; y < y1; ++y) {
      const float sy = camera_.slope_y(static_cast<float>(y) + 0.5f);
      const std::size_t row = static_cast<std::size_t>(y) * static_cast<std::size_t>(camera_.width);
      for (int x = x0; x < x1; ++x) {
        const Vec3 d{camera_.slope_x(static_cast<float>(x) + 0.5f), sy, 1};
        const float depth = intersect(d, a, b, ba, baba, baoa, oaoa, r2);
        const std::size_t at = row + static_cast<std::size_t>(x);
        if (depth < near_depth || depth * out_.nearness[at] >= 1) continue;
        if (ragged) {
          const float off = dot(a, a) - dot(a, d) * dot(a, d) / dot(d, d);  // squared distance of ray and centre
          const Vec3 hit =
              camera_.position + camera_.ray(static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f) * depth;
          if (is_hole(surface, hit, 1 - off / r2)) continue;
        }
        out_.nearness[at] = 1 / depth;
        out_.primitive[at] = id;
      }
    }
  }

  Visible take() { return std::move(out_); }

 private:
  float half_width() const { return camera_.centre_x / camera_.focal; }

  // Samples that a sphere may cover along one axis.
  void bounds(float x, float z, float r, float centre, int size, int& lo, int& hi) const {
    if (z - r <= near_depth) {
      lo = 0;
      hi = size;
      return;
    }
    const float left = std::min((x - r) / (z - r), (x - r) / (z + r)),
                right = std::max((x + r) / (z - r), (x + r) / (z + r));
    const auto limit = static_cast<float>(size);
    lo = std::min(lo, static_cast<int>(std::clamp(centre + camera_.focal * left, 0.0f, limit)));
    hi = std::max(hi, static_cast<int>(std::clamp(centre + camera_.focal * right + 1, 0.0f, limit)));
  }

  // Depth of the first point of the capsule a, b on the ray t * d from the eye, or -1.
  static float intersect(Vec3 d, Vec3 a, Vec3 b, Vec3 ba, float baba, float baoa, float oaoa, float r2) {
    const float dd = dot(d, d), bard = dot(ba, d), rdoa = -dot(d, a);
    float along = 0;
    if (baba > 1e-9f) {
      const float qa = baba * dd - bard * bard, qb = baba * rdoa - baoa * bard,
                  qc = baba * oaoa - baoa * baoa - r2 * baba;
      const float h = qb * qb - qa * qc;
      if (h < 0) return -1;
      const float t = qa > 1e-12f ? (-qb - std::sqrt(h)) / qa : 0;
      along = baoa + t * bard;
      if (qa > 1e-12f && along > 0 && along < baba) return t;
    }
    const Vec3 o = along <= 0 ? a : b;
    const float half = dot(d, o), h = half * half - dd * (dot(o, o) - r2);
    return h < 0 ? -1 : (half - std::sqrt(h)) / dd;
  }

  const World& world_;
  const Camera& camera_;
  Visible out_;
};

}  // namespace

Visible rasterise(const World& world, const Camera& camera) {
  Rasteriser out(world, camera);
  std::int32_t id = 0;
  for (const Polygon& p : world.polygons) out.draw(p, id++);
  for (const Capsule& c : world.capsules) out.draw(c, id++);
  return out.take();
}

}  // namespace rein::data::scenes
