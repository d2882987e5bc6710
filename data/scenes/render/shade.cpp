#include "data/scenes/render/shade.h"

#include "data/scenes/noise.h"
#include "data/scenes/render/materials.h"

namespace rein::data::scenes {
namespace {

class Shader {
 public:
  Shader(const World& world, const Street& street, const Style& style, const Light& light, const Camera& camera)
      : world_(world),
        street_(street),
        style_(style),
        light_(light),
        camera_(camera),
        seen_(rasterise(world, camera)),
        ground_(shade_ground(world, camera, light.to_sun)) {
    const std::size_t count = seen_.nearness.size();
    out_.width = camera.width;
    out_.height = camera.height;
    out_.colour.resize(count);
    out_.label.resize(count);
    out_.part.resize(count);
    out_.ground.assign(count, 0);
  }

  Samples run() {
    std::size_t at = 0;
    for (int y = 0; y < camera_.height; ++y)
      for (int x = 0; x < camera_.width; ++x, ++at) {
        const Vec3 ray = camera_.ray(static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f);
        if (seen_.primitive[at] != no_primitive)
          object(at, ray);
        else if (ray.y < -1e-3f)
          ground(at, ray);
        else
          sky_at(at, ray);
      }
    out_.nearness = std::move(seen_.nearness);
    return std::move(out_);
  }

 private:
  // Whether the row of houses on the sun's side leaves the sun to this point.
  bool sunny(Vec3 p) const {
    if (!light_.has_sun() || std::abs(light_.to_sun.x) < 0.02f) return true;
    const float sign = light_.to_sun.x > 0 ? 1.0f : -1.0f;
    const Side& side = street_.side(sign);
    const float s = p.x - street_.middle(p.z), t = (sign * side.frontage - s) / light_.to_sun.x;
    if (t <= 0.05f) return true;
    const float index = (p.z + t * light_.to_sun.z + 20) / 2;
    if (index < 0 || index >= static_cast<float>(side.skyline.size())) return true;
    return p.y + t * light_.to_sun.y > side.skyline[static_cast<std::size_t>(index)];
  }

  void object(std::size_t at, Vec3 ray) {
    const auto id = static_cast<std::size_t>(seen_.primitive[at]);
    const float depth = 1 / seen_.nearness[at], far = length(ray);
    Spot spot;
    spot.at = camera_.position + ray * depth;
    spot.blur = depth / camera_.focal;
    spot.texture = style_.texture;
    spot.night = style_.night;
    std::uint32_t surface_id = 0;
    const Vec3 view = ray * (1 / far);
    if (id < world_.polygons.size()) {
      const Polygon& p = world_.polygons[id];
      const Vec3 d = spot.at - p.points[0];
      spot.u = dot(d, p.u);
      spot.v = dot(d, p.v);
      spot.width = p.width;
      spot.height = p.height;
      spot.normal = dot(p.normal, ray) > 0 ? p.normal * -1 : p.normal;
      surface_id = p.surface;
    } else {
      const Capsule& c = world_.capsules[id - world_.polygons.size()];
      const Vec3 axis = c.b - c.a;
      const float t = clamp01(dot(spot.at - c.a, axis) / std::max(dot(axis, axis), 1e-9f));
      spot.normal = normalised(spot.at - c.a - axis * t);
      surface_id = c.surface;
    }
    const Surface& surface = world_.surfaces[surface_id];
    Look look = look_at(surface, spot);
    const bool leafy = surface.material == Material::foliage || surface.material == Material::hedge;
    snow(look, spot, leafy ? 0.75f : 1.0f);
    const float open = 0.6f + 0.4f * smooth(-0.2f, 1.6f, spot.at.y);
    const Shading point{spot.at, spot.normal, view, sunny(spot.at), open, leafy};
    out_.colour[at] = light_.through_air(lit(light_, world_.lamps, look, point), depth * far);
    out_.label[at] = surface.label;
    out_.part[at] = static_cast<std::int32_t>(surface_id);
  }

  void ground(std::size_t at, Vec3 ray) {
    const float depth = camera_.position.y / -ray.y, far = length(ray);
    Spot spot;
    spot.at = camera_.position + ray * depth;
    spot.at.y = 0;
    spot.normal = {0, 1, 0};
    spot.blur = depth / camera_.focal;
    spot.texture = style_.texture;
    const float z = spot.at.z, s = spot.at.x - street_.middle(std::min(z, street_end + 20));
    const Id label = street_.ground(s, z);
    Look look = look_at_ground(street_, style_, spot, s, z, label);
    look.albedo = look.albedo * (1 - 0.3f * style_.wet);
    const float tracks =
        label == road
            ? 0.35f + 0.65f * smooth(0.12f, 0.3f, std::abs(std::abs(fraction(s / street_.lane) - 0.5f) - 0.24f))
            : 1;
    snow(look, spot, tracks);
    const Shading point{spot.at,          spot.normal, ray * (1 / far), ground_.shadow[at] == 0 && sunny(spot.at),
                        ground_.open[at], false};
    out_.colour[at] = light_.through_air(lit(light_, world_.lamps, look, point), std::min(depth * far, 2000.0f));
    out_.label[at] = label;
    out_.part[at] = -2 - static_cast<std::int32_t>(label);
    out_.ground[at] = 1;
  }

  void sky_at(std::size_t at, Vec3 ray) {
    out_.colour[at] = light_.sky(normalised(ray));
    out_.label[at] = sky;
    out_.part[at] = -100;
  }

  void snow(Look& look, const Spot& spot, float most) const {
    if (style_.snow <= 0) return;
    const float n = noise2(spot.at.x * 1.3f, spot.at.z * 1.3f, street_.seed + 20);
    const float lies = smooth(0.35f, 0.8f, spot.normal.y) * most * clamp01(style_.snow * 1.5f - 0.6f * n);
    look.albedo = mix(look.albedo, Colour{0.86f, 0.89f, 0.95f}, lies);
    look.gloss *= 1 - lies;
  }

  const World& world_;
  const Street& street_;
  const Style& style_;
  const Light& light_;
  const Camera& camera_;
  Visible seen_;
  GroundShade ground_;
  Samples out_;
};

// The own car's bonnet: a flat arc at the lower border.
void draw_bonnet(Samples& samples, const Light& light, Draw draw) {
  const float w = static_cast<float>(samples.width), h = static_cast<float>(samples.height);
  const float high = draw.range(0.06f, 0.13f) * h, wide = draw.range(0.55f, 0.75f) * w,
              middle = w * draw.range(0.45f, 0.55f);
  const Colour paint = Colour{1, 1, 1} * draw.range(0.03f, 0.4f);
  for (int y = 0; y < samples.height; ++y)
    for (int x = 0; x < samples.width; ++x) {
      const float dx = (static_cast<float>(x) + 0.5f - middle) / wide, edge = h - high * (1 - dx * dx);
      const float below = static_cast<float>(y) + 0.5f - edge;
      if (below < 0) continue;
      const std::size_t at =
          static_cast<std::size_t>(y) * static_cast<std::size_t>(samples.width) + static_cast<std::size_t>(x);
      samples.colour[at] =
          mix(paint * (light.ambient + light.sun * 0.5f), light.plain_sky({0, 0.3f, 0}), 0.3f * smooth(high, 0, below));
      samples.label[at] = void_id;
      samples.part[at] = -101;
      samples.nearness[at] = 1;
      samples.ground[at] = 0;
    }
}

}  // namespace

Samples shade(const World& world, const Street& street, const Style& style, const Light& light, const Camera& camera,
              Draw draw) {
  Samples samples = Shader(world, street, style, light, camera).run();
  if (draw.chance(style.bonnet)) draw_bonnet(samples, light, draw);
  return samples;
}

}  // namespace rein::data::scenes
