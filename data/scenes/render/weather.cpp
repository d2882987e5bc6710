// What comes between the street and the sensor: mirrors on wet ground, glow of lamps, rain, snowflakes, soft lenses.
#include "data/scenes/noise.h"
#include "data/scenes/render/develop.h"

namespace rein::data::scenes {
namespace {

// Strengths of the styles are for pictures of this height.
constexpr float usual_height = 128;

void blur(std::vector<Colour>& pixels, int width, int height, float sigma) {
  const int radius = std::max(1, static_cast<int>(sigma * 2.5f));
  std::vector<float> weights;
  float sum = 0;
  for (int i = -radius; i <= radius; ++i) {
    const auto x = static_cast<float>(i) / sigma;
    weights.push_back(std::exp(-0.5f * x * x));
    sum += weights.back();
  }
  std::vector<Colour> other(pixels.size());
  const auto pass = [&](const std::vector<Colour>& from, std::vector<Colour>& to, int dx, int dy) {
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        Colour c{};
        for (int i = -radius; i <= radius; ++i) {
          const int sx = std::clamp(x + i * dx, 0, width - 1), sy = std::clamp(y + i * dy, 0, height - 1);
          c = c + from[static_cast<std::size_t>(sy) * static_cast<std::size_t>(width) + static_cast<std::size_t>(sx)] *
                      weights[static_cast<std::size_t>(i + radius)];
        }
        to[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)] = c * (1 / sum);
      }
  };
  pass(pixels, other, 1, 0);
  pass(other, pixels, 0, 1);
}

// Wet ground shows what stands beyond it upside down: the picture along the mirrored ray, as if it were far away.
void mirror(Picture& p, const Style& style, const Light& light, const Camera& camera, std::uint32_t seed) {
  const std::vector<Colour> before = p.pixels;
  const auto n = static_cast<float>(samples_per_side);
  for (int y = 0; y < p.height; ++y)
    for (int x = 0; x < p.width; ++x) {
      const std::size_t at =
          static_cast<std::size_t>(y) * static_cast<std::size_t>(p.width) + static_cast<std::size_t>(x);
      if (p.wet[at] <= 0) continue;
      Vec3 ray = camera.ray((static_cast<float>(x) + 0.5f) * n, (static_cast<float>(y) + 0.5f) * n);
      const float depth = std::min(camera.position.y / std::max(-ray.y, 1e-3f), 200.0f);
      const Vec3 ground = camera.position + ray * depth;
      const float cosine = -ray.y / length(ray), grazing = 1 - clamp01(cosine);
      const float ripple = noise2(ground.x * 4, ground.z * 1.5f, seed) - 0.5f;
      const float puddle = smooth(0.4f, 0.65f, fbm2(ground.x * 0.35f, ground.z * 0.2f, seed + 1, 2));
      const float strength = style.wet * p.wet[at] * (0.25f + 0.5f * puddle) * (0.25f + 0.75f * grazing * grazing);
      ray.y = -ray.y;
      const Vec3 seen{dot(ray, camera.right), dot(ray, camera.up), dot(ray, camera.ahead)};
      Colour c{};
      for (int i = 0; i < 3; ++i) {
        const float spread = (static_cast<float>(i) - 1) * 0.03f + 0.05f * ripple;
        const float sx = (camera.centre_x + camera.focal * seen.x / std::max(seen.z, 0.1f)) / n;
        const float sy = (camera.centre_y - camera.focal * (seen.y / std::max(seen.z, 0.1f) + spread)) / n;
        const int ix = static_cast<int>(sx), iy = static_cast<int>(sy);
        const bool inside = sx >= 0 && ix < p.width && sy >= 0 && iy < p.height;
        c = c + (inside ? before[static_cast<std::size_t>(iy) * static_cast<std::size_t>(p.width) +
                                 static_cast<std::size_t>(ix)]
                        : light.plain_sky(normalised(ray)));
      }
      p.pixels[at] = mix(p.pixels[at], c * (1.0f / 3), strength);
    }
}

void bloom(Picture& p, float strength, float scale) {
  std::vector<Colour> bright = p.pixels;
  for (Colour& c : bright) {
    const float over = std::max(0.0f, luminance(c) - 0.5f) / std::max(luminance(c), 1e-4f);
    c = c * over;
  }
  std::vector<Colour> wide = bright;
  blur(bright, p.width, p.height, 1.2f * scale);
  blur(wide, p.width, p.height, 4.5f * scale);
  for (std::size_t i = 0; i < p.pixels.size(); ++i)
    p.pixels[i] = p.pixels[i] + (bright[i] * 0.5f + wide[i] * 1.2f) * strength;
}

void streaks(Picture& p, float strength, float scale, Draw draw) {
  const Colour water = Colour{0.6f, 0.64f, 0.68f};
  const int count =
      static_cast<int>(draw.range(60, 150) * strength * static_cast<float>(p.width) / static_cast<float>(p.height));
  const float slant = draw.range(-0.3f, 0.3f);
  for (int i = 0; i < count; ++i) {
    const float x0 = draw.range(0, static_cast<float>(p.width)), y0 = draw.range(-10, static_cast<float>(p.height));
    const float long_one = draw.range(4, 15) * scale, alpha = draw.range(0.05f, 0.2f);
    for (float t = 0; t < long_one; t += 1) {
      const int x = static_cast<int>(x0 + slant * t), y = static_cast<int>(y0 + t);
      if (x < 0 || x >= p.width || y < 0 || y >= p.height) continue;
      p.at(y, x) = mix(p.at(y, x), water, alpha);
    }
  }
}

void flakes(Picture& p, float strength, float scale, Draw draw) {
  const int count =
      static_cast<int>(draw.range(60, 220) * strength * static_cast<float>(p.width) / static_cast<float>(p.height));
  for (int i = 0; i < count; ++i) {
    const float cx = draw.range(0, static_cast<float>(p.width)), cy = draw.range(0, static_cast<float>(p.height));
    const float u = draw.uniform(), r = (0.35f + 1.3f * u * u * u) * scale,
                alpha = draw.range(0.35f, 0.8f) * (u > 0.8f ? 0.6f : 1);
    const int reach = static_cast<int>(r + 1.5f);
    for (int dy = -reach; dy <= reach; ++dy)
      for (int dx = -reach; dx <= reach; ++dx) {
        const int x = static_cast<int>(cx) + dx, y = static_cast<int>(cy) + dy;
        if (x < 0 || x >= p.width || y < 0 || y >= p.height) continue;
        const float ox = static_cast<float>(x) + 0.5f - cx, oy = static_cast<float>(y) + 0.5f - cy;
        const float inside = clamp01(r + 0.5f - std::sqrt(ox * ox + oy * oy));
        p.at(y, x) = mix(p.at(y, x), Colour{0.85f, 0.87f, 0.9f}, alpha * inside);
      }
  }
}

}  // namespace

void add_weather(Picture& picture, const Style& style, const Light& light, const Camera& camera, Draw draw) {
  const float scale = static_cast<float>(std::min(picture.height, picture.width)) / usual_height;
  if (style.wet > 0) mirror(picture, style, light, camera, draw.seed());
  if (style.bloom > 0) bloom(picture, style.bloom, scale);
  if (style.rain > 0) streaks(picture, style.rain, scale, draw.child("rain"));
  if (style.flakes > 0) flakes(picture, style.flakes, scale, draw.child("flakes"));
  if (style.blur > 0) blur(picture.pixels, picture.width, picture.height, style.blur * scale);
}

}  // namespace rein::data::scenes
