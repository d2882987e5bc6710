#include "data/scenes/render/develop.h"

#include "data/scenes/noise.h"

namespace rein::data::scenes {

Picture resolve(const Samples& samples, LabelMap& labels) {
  constexpr int n = samples_per_side;
  Picture picture;
  picture.width = labels.width;
  picture.height = labels.height;
  const auto count = labels.ids.size();
  picture.pixels.resize(count);
  picture.wet.resize(count);
  const float share = 1.0f / (n * n);
  std::size_t to = 0;
  for (int y = 0; y < labels.height; ++y)
    for (int x = 0; x < labels.width; ++x, ++to) {
      std::array<std::size_t, n * n> at{};
      std::size_t k = 0;
      for (int dy = 0; dy < n; ++dy)
        for (int dx = 0; dx < n; ++dx)
          at[k++] = static_cast<std::size_t>(y * n + dy) * static_cast<std::size_t>(samples.width) +
                    static_cast<std::size_t>(x * n + dx);
      Colour sum{};
      int best = 0;
      float best_near = 0;
      for (const std::size_t i : at) {
        const Colour c = samples.colour[i];
        sum = sum + Colour{std::min(c.x, 3.0f), std::min(c.y, 3.0f), std::min(c.z, 3.0f)};
        picture.wet[to] += share * samples.ground[i];
        int votes = 0;
        float near = 0;
        for (const std::size_t other : at)
          if (samples.label[other] == samples.label[i]) {
            ++votes;
            near = std::max(near, samples.nearness[other]);
          }
        if (votes > best || (votes == best && near > best_near)) {
          best = votes;
          best_near = near;
          labels.ids[to] = samples.label[i];
        }
      }
      picture.pixels[to] = sum * share;
    }
  return picture;
}

Image expose(const Picture& picture, const Style& style, Draw draw) {
  Image image(picture.height, picture.width);
  const std::uint32_t seed = draw.seed();
  const float exposure = style.exposure * draw.range(0.88f, 1.14f),
              contrast = style.contrast * draw.range(0.95f, 1.05f);
  const Colour tint = draw.near(style.tint, 0.03f);
  const auto finish = [&](float light, float gray, float dark, float grain) {
    float v = gray + (light - gray) * style.saturation;
    v = v < 0.6f ? std::max(v, 0.0f) : 0.6f + 0.4f * (1 - std::exp(-(v - 0.6f) / 0.4f));  // a soft shoulder
    v = 0.45f + (std::sqrt(v) - 0.45f) * contrast;
    v = clamp01(v * dark + grain);
    if (style.levels > 0) {
      const auto steps = static_cast<float>(style.levels - 1);
      v = std::floor(v * steps + 0.5f) / steps;
    }
    return static_cast<std::uint8_t>(v * 255 + 0.5f);
  };
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const std::size_t at =
          static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x);
      const Colour c = picture.pixels[at] * tint * exposure;
      const float gray = luminance(c);
      const float px = 2 * static_cast<float>(x) / static_cast<float>(image.width) - 1,
                  py = 2 * static_cast<float>(y) / static_cast<float>(image.height) - 1;
      const float dark = 1 - style.vignette * 0.6f * smooth(0.4f, 2.0f, px * px + py * py);
      std::uint32_t h = hash(x, y, seed);
      float grain[3];
      for (float& g : grain) {  // nearly normal: four uniforms
        g = 0;
        for (int i = 0; i < 4; ++i) g += static_cast<float>(h >> (8 * i) & 255) / 255 - 0.5f;
        g *= style.noise * 1.7f;
        h = hash(h + 1);
      }
      std::uint8_t* out = image.row(y) + 3 * x;
      out[0] = finish(c.x, gray, dark, 0.6f * grain[0] + 0.4f * grain[1]);
      out[1] = finish(c.y, gray, dark, grain[1]);
      out[2] = finish(c.z, gray, dark, 0.6f * grain[2] + 0.4f * grain[1]);
    }
  return image;
}

}  // namespace rein::data::scenes
