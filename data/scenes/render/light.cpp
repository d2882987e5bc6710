#include "data/scenes/render/light.h"

#include "data/scenes/noise.h"
#include "data/scenes/render/materials.h"

namespace rein::data::scenes {
namespace {

// Lamps of the street and of other cars, and the headlights of the own one.
Colour lamplight(const Light& light, const std::vector<Lamp>& lamps, const Shading& point) {
  Colour sum{};
  for (const Lamp& lamp : lamps) {
    const Vec3 to = lamp.at - point.at;
    const float d2 = dot(to, to);
    if (d2 > 900) continue;
    const float facing = std::max(0.15f, dot(point.normal, to) / std::sqrt(d2));
    sum = sum + lamp.colour * (facing / (1 + d2));
  }
  const float away = std::max(point.at.z, 1.0f), aside = std::abs(point.at.x - 1.6f) / away;
  const float cone = smooth(0.55f, 0.08f, aside) * smooth(2.6f, 0.8f, point.at.y) / (1 + 0.006f * away * away);
  return sum +
         Colour{0.8f, 0.78f, 0.7f} * (1.1f * light.night * cone * std::max(0.25f, -dot(point.normal, point.view)));
}

}  // namespace

Light make_light(const Style& style, Draw draw) {
  Light light;
  const float height = radians(draw.range(style.sun_height)), turn = draw.range(-3.1f, 3.1f);
  const float power = draw.range(0.85f, 1.15f), clouds = draw.range(0.5f, 1.4f);
  light.fog = draw.range(style.fog);
  light.seed = draw.seed();
  if (luminance(style.sun) > 0)
    light.to_sun = {std::cos(height) * std::sin(turn), std::sin(height), std::cos(height) * std::cos(turn)};
  light.sun = draw.near(style.sun, 0.06f) * power;
  light.ambient = draw.near(style.ambient, 0.06f) * power;
  light.zenith = draw.near(style.zenith, 0.08f);
  light.horizon = draw.near(style.horizon, 0.06f);
  light.cloud = style.cloud;
  light.haze = style.haze;
  light.clouds = clamp01(style.clouds * clouds);
  light.night = style.night;
  return light;
}

Colour Light::plain_sky(Vec3 d) const {
  return mix(horizon, zenith, std::sqrt(smooth(0, 0.75f, d.y)));
}

Colour Light::sky(Vec3 d) const {
  Colour c = plain_sky(d);
  if (clouds > 0.01f) {
    const float far = 1.3f / (std::max(d.y, 0.0f) + 0.14f);
    const float n = fbm2(d.x * far, d.z * far * 1.4f, seed, 4);
    const float edge = 0.78f - 0.5f * clouds, thick = smooth(edge, edge + 0.22f, n);
    c = mix(c, mix(cloud, mix(horizon, zenith, 0.4f) * 0.9f, smooth(0.2f, 1, thick) * 0.4f),
            thick * smooth(0, 0.1f, d.y + 0.03f));
  }
  if (has_sun()) {
    const float near = std::max(0.0f, dot(d, to_sun)), near8 = near * near * near * near * near * near * near * near;
    c = c + sun * (0.12f * near8 + (near > 0.9992f ? 2.0f : 0.0f));
  } else if (night > 0.9f && d.y > 0.05f) {
    const int a = floor_int(d.x / (d.y + 0.5f) * 90), b = floor_int(d.z / (d.y + 0.5f) * 90);
    if (unit(hash(a, b, seed)) > 0.996f) c = c + Colour{0.3f, 0.3f, 0.32f};
  }
  return mix(c, haze, std::exp(-std::max(d.y, 0.0f) / std::max(fog * 7, 0.01f)) * clamp01(fog * 90));
}

Colour Light::through_air(Colour c, float metres) const {
  return mix(haze, c, std::exp(-fog * metres));
}

Colour lit(const Light& light, const std::vector<Lamp>& lamps, const Look& look, const Shading& point) {
  Colour in = light.ambient * ((0.72f + 0.28f * point.normal.y) * point.open);
  if (light.has_sun() && point.sunny) {
    const float facing = dot(point.normal, light.to_sun);
    const float soft = point.soft ? clamp01(0.25f + 0.75f * facing) : std::max(0.0f, facing);
    in = in + light.sun * soft;
  }
  if (light.night > 0) in = in + lamplight(light, lamps, point);
  Colour out = look.albedo * in + look.glow;
  if (look.gloss > 0) {
    const float cosine = -dot(point.view, point.normal);
    const Vec3 mirror = point.view + point.normal * (2 * cosine);
    const float grazing = 1 - clamp01(cosine), fresnel = 0.25f + 0.75f * grazing * grazing * grazing;
    const Colour seen = mirror.y > 0 ? light.plain_sky(mirror) : light.ambient * 0.12f;
    out = out + (seen - out) * (look.gloss * fresnel);
    if (light.has_sun() && point.sunny) {
      const float spot = std::max(0.0f, dot(mirror, light.to_sun)), s4 = spot * spot * spot * spot,
                  s16 = s4 * s4 * s4 * s4;
      out = out + light.sun * (look.gloss * 0.8f * s16 * s16);
    }
  }
  return out;
}

}  // namespace rein::data::scenes
