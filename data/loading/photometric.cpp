#include "data/loading/photometric.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "tensor/error.h"

namespace rein::data {
namespace {

using Lut = std::array<std::uint8_t, 256>;

// Fixed-point reciprocals with 12 fraction bits: saturation is d * 255 / v, hue is x * 30 / d.
struct Reciprocals {
  std::array<int, 256> saturation{};
  std::array<int, 256> hue{};
  Reciprocals() {
    for (int i = 1; i < 256; ++i) {
      saturation[std::size_t(i)] = static_cast<int>(std::lrint(255.0 * 4096.0 / i));
      hue[std::size_t(i)] = static_cast<int>(std::lrint(180.0 * 4096.0 / (6.0 * i)));
    }
  }
};

const Reciprocals& reciprocals() {
  static const Reciprocals tables;
  return tables;
}

std::uint8_t truncated(float x) {
  return static_cast<std::uint8_t>(std::clamp(x, 0.0f, 255.0f));
}
// Nearest with ties to even, for 0 <= x < 2^22: adding 1.5 * 2^23 leaves no room for a fraction.
std::uint8_t rounded(float x) {
  const float shifted = x + 12582912.0f;
  return static_cast<std::uint8_t>(std::min(shifted - 12582912.0f, 255.0f));
}

// 1 - a * b with one rounding, as the fused instruction that OpenCV's code compiles to; it decides some ties.
float one_minus_product(float a, float b) {
  return static_cast<float>(1.0 - static_cast<double>(a) * b);
}

void map_pixels(Image& image, const Lut& lut) {
  for (std::uint8_t& p : image.pixels) p = lut[p];
}

Lut scale_and_shift(float alpha, float beta) {
  Lut lut{};
  for (int i = 0; i < 256; ++i) lut[std::size_t(i)] = truncated(static_cast<float>(i) * alpha + beta);
  return lut;
}

void check_channels(const Image& image) {
  require(image.channels == 3, "photometric", "needs an RGB image, got ", image.channels, " channels");
}

}  // namespace

void rgb_to_hsv(Image& image) {
  check_channels(image);
  const Reciprocals& tables = reciprocals();
  for (std::size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    std::uint8_t* p = image.pixels.data() + i;
    const int r = p[0], g = p[1], b = p[2];
    const int v = std::max({r, g, b}), d = v - std::min({r, g, b});
    const int s = (d * tables.saturation[std::size_t(v)] + 2048) >> 12;
    const int sector = v == r ? g - b : v == g ? b - r + 2 * d : r - g + 4 * d;
    int h = (sector * tables.hue[std::size_t(d)] + 2048) >> 12;
    if (h < 0) h += 180;
    p[0] = static_cast<std::uint8_t>(h);
    p[1] = static_cast<std::uint8_t>(s);
    p[2] = static_cast<std::uint8_t>(v);
  }
}

void hsv_to_rgb(Image& image) {
  check_channels(image);
  // Which of (v, p, q, t) is red, green, blue in each sixth of the hue circle.
  static constexpr std::uint8_t order[6][3] = {{0, 3, 1}, {2, 0, 1}, {1, 0, 3}, {1, 2, 0}, {3, 1, 0}, {0, 1, 2}};
  struct Hue {
    float fraction;
    int sector;
  };
  static const std::array<Hue, 256> hues = [] {
    std::array<Hue, 256> table{};
    for (int i = 0; i < 256; ++i) {
      const float h = static_cast<float>(i) * (6.0f / 180.0f);
      const float whole = std::floor(h);
      table[std::size_t(i)] = {h - whole, static_cast<int>(whole) % 6};
    }
    return table;
  }();
  for (std::size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    std::uint8_t* out = image.pixels.data() + i;
    const Hue hue = hues[out[0]];
    const float s = static_cast<float>(out[1]) * (1.0f / 255.0f), v = static_cast<float>(out[2]) * (1.0f / 255.0f);
    const float f = hue.fraction;
    const std::uint8_t choices[4] = {rounded(v * 255.0f), rounded(v * (1.0f - s) * 255.0f),
                                     rounded(v * one_minus_product(s, f) * 255.0f),
                                     rounded(v * one_minus_product(s, 1.0f - f) * 255.0f)};
    const std::uint8_t* pick = order[hue.sector];
    out[0] = choices[pick[0]];
    out[1] = choices[pick[1]];
    out[2] = choices[pick[2]];
  }
}

void apply_photometric(Image& image, const Photometric& p) {
  check_channels(image);
  if (p.brightness) map_pixels(image, scale_and_shift(1.0f, *p.brightness));
  if (p.contrast && p.contrast_first) map_pixels(image, scale_and_shift(*p.contrast, 0.0f));
  // The official code goes to HSV and back once for saturation and once for hue: two roundings, kept.
  if (p.saturation) {
    rgb_to_hsv(image);
    const Lut lut = scale_and_shift(*p.saturation, 0.0f);
    for (std::size_t i = 1; i < image.pixels.size(); i += 3) image.pixels[i] = lut[image.pixels[i]];
    hsv_to_rgb(image);
  }
  if (p.hue) {
    rgb_to_hsv(image);
    Lut lut{};
    for (int i = 0; i < 256; ++i) lut[std::size_t(i)] = static_cast<std::uint8_t>(((i + *p.hue) % 180 + 180) % 180);
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) image.pixels[i] = lut[image.pixels[i]];
    hsv_to_rgb(image);
  }
  if (p.contrast && !p.contrast_first) map_pixels(image, scale_and_shift(*p.contrast, 0.0f));
}

Photometric draw_photometric(const RandomKey& key) {
  const auto coin = [&](std::uint64_t element) { return key.below(element, 2) == 1; };
  Photometric p;
  if (coin(0)) p.brightness = static_cast<float>(key.uniform(1, -32.0, 32.0));
  p.contrast_first = coin(2);
  if (coin(3)) p.contrast = static_cast<float>(key.uniform(4, 0.5, 1.5));
  if (coin(5)) p.saturation = static_cast<float>(key.uniform(6, 0.5, 1.5));
  if (coin(7)) p.hue = static_cast<int>(key.below(8, 36)) - 18;
  return p;
}

}  // namespace rein::data
