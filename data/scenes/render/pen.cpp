#include "data/scenes/noise.h"
#include "data/scenes/render/develop.h"

namespace rein::data::scenes {
namespace {

// 1 where one of the two neighbours shows another surface or another brightness.
std::vector<float> outlines(const Samples& s, std::uint32_t seed) {
  std::vector<float> ink(s.colour.size(), 0);
  const auto w = static_cast<std::size_t>(s.width);
  const auto tone = [&](std::size_t i) { return std::sqrt(std::max(luminance(s.colour[i]), 0.0f)); };
  for (std::size_t y = 0; y + 1 < static_cast<std::size_t>(s.height); ++y)
    for (std::size_t x = 0; x + 1 < w; ++x) {
      const std::size_t at = y * w + x;
      for (const std::size_t other : {at + 1, at + w}) {
        float line = s.part[at] != s.part[other] ? 1.0f : 0.0f;
        if (line == 0) line = 0.75f * smooth(0.07f, 0.2f, std::abs(tone(at) - tone(other)));
        line *= 0.75f + 0.25f * noise2(static_cast<float>(x) * 0.13f, static_cast<float>(y) * 0.13f,
                                       seed);  // the hand's pressure
        ink[at] = std::max(ink[at], line);
        ink[other] = std::max(ink[other], line);
      }
    }
  return ink;
}

// Strokes of a pencil, 5 units apart.
float bands_of(float x) {
  const float f = fraction(x / 5);
  return smooth(0.28f, 0.12f, std::abs(f - 0.5f));
}

}  // namespace

void draw_with_pen(Samples& s, const Pen& pen, Draw draw) {
  if (pen.ink <= 0 && pen.paper <= 0) return;
  const std::uint32_t seed = draw.seed();
  const std::vector<float> ink = outlines(s, seed);
  const float scale = 2 * 128.0f / static_cast<float>(std::min(s.width, s.height));  // strokes grow with the picture
  for (int y = 0; y < s.height; ++y)
    for (int x = 0; x < s.width; ++x) {
      const std::size_t at =
          static_cast<std::size_t>(y) * static_cast<std::size_t>(s.width) + static_cast<std::size_t>(x);
      Colour& c = s.colour[at];
      const float light = clamp01(std::sqrt(std::max(luminance(c), 0.0f)));
      const float fx = static_cast<float>(x) * scale, fy = static_cast<float>(y) * scale;
      if (pen.paper > 0) {
        const float grain = 0.94f + 0.1f * noise2(fx * 0.9f, fy * 0.9f, seed + 1);
        Colour paper = pen.paper_colour * grain;
        paper = mix(paper, pen.ink_colour, pen.shape * (1 - light));
        if (pen.hatch > 0) {
          const float wave = 2 * noise2(fx * 0.06f, fy * 0.06f, seed + 2);
          const float one = bands_of(fx + fy + 3 * wave), two = bands_of(fx - fy + 3 * wave);
          float strokes = one * smooth(0.62f, 0.4f, light);
          strokes = std::max(strokes, two * smooth(0.36f, 0.2f, light));
          paper = mix(paper, pen.ink_colour, pen.hatch * strokes);
        }
        c = mix(c, paper, pen.paper);
      }
      c = mix(c, pen.ink_colour, clamp01(pen.ink * ink[at]));
    }
}

}  // namespace rein::data::scenes
