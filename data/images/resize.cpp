#include "data/images/resize.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace rein::data {
namespace {

void check(std::string_view op, int height, int width, Size size, Window w) {
  require(height > 0 && width > 0, op, "needs an image of at least one pixel, got ", height, " x ", width);
  require(size.height > 0 && size.width > 0, op, "needs a size of at least 1 x 1, got ", size.height, " x ",
          size.width);
  const bool inside = w.y >= 0 && w.x >= 0 && w.height > 0 && w.width > 0 && w.y + w.height <= size.height &&
                      w.x + w.width <= size.width;
  require(inside, op, "window of ", w.height, " x ", w.width, " at (", w.y, ", ", w.x, ") must lie in ", size.height,
          " x ", size.width);
}

// Part of a picture of `size` that lies inside of it.
Window clip(Window w, Size size) {
  w.height = std::min(w.height, size.height - w.y);
  w.width = std::min(w.width, size.width - w.x);
  return w;
}

double step(int from, int to) {
  return 1.0 / (static_cast<double>(to) / from);
}

// One output position of an axis: two source indices and their weights out of 2048.
struct Tap {
  int first;
  int second;
  int weight0;
  int weight1;
};

std::vector<Tap> make_taps(int from, int to, int begin, int count, bool columns) {
  const double scale = step(from, to);
  std::vector<Tap> taps;
  taps.reserve(static_cast<std::size_t>(count));
  for (int i = begin; i < begin + count; ++i) {
    const float x = static_cast<float>((i + 0.5) * scale - 0.5);
    int k = static_cast<int>(std::floor(x));
    float f = x - static_cast<float>(k);
    if (columns && k < 0) k = 0, f = 0;
    if (columns && k >= from - 1) k = from - 1, f = 0;
    // Ties go to even, the mode that lrint has unless somebody changes it.
    taps.push_back({std::clamp(k, 0, from - 1), std::clamp(k + 1, 0, from - 1),
                    static_cast<int>(std::lrint((1.0f - f) * 2048.0f)), static_cast<int>(std::lrint(f * 2048.0f))});
  }
  return taps;
}

// (p[k] * a0 + p[k + 1] * a1) >> 4 fits 16 bits: at most 255 * 2048 / 16.
template <int channels>
void stretch_row(const std::uint8_t* in, const std::vector<Tap>& taps, std::int16_t* out) {
  for (const Tap& tap : taps) {
    const std::uint8_t* a = in + std::ptrdiff_t{tap.first} * channels;
    const std::uint8_t* b = in + std::ptrdiff_t{tap.second} * channels;
    for (int c = 0; c < channels; ++c)
      out[c] = static_cast<std::int16_t>((a[c] * tap.weight0 + b[c] * tap.weight1) >> 4);
    out += channels;
  }
}

// The compiler makes multiply-high of this: products of two 16-bit numbers, shifted by 16.
void mix_rows(const std::int16_t* __restrict a, const std::int16_t* __restrict b, std::int16_t wa, std::int16_t wb,
              std::size_t count, std::uint8_t* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) {
    const int high_a = (int{a[i]} * int{wa}) >> 16, high_b = (int{b[i]} * int{wb}) >> 16;
    out[i] = static_cast<std::uint8_t>((high_a + high_b + 2) >> 2);
  }
}

template <int channels>
Image bilinear(const Image& in, Size size, Window w) {
  const auto columns = make_taps(in.width, size.width, w.x, w.width, true);
  const auto rows = make_taps(in.height, size.height, w.y, w.height, false);
  Image out(w.height, w.width, channels);
  const std::size_t count = out.pitch();
  std::vector<std::int16_t> lines[2] = {std::vector<std::int16_t>(count), std::vector<std::int16_t>(count)};
  int held[2] = {-1, -1};  // which source row each line holds
  for (int y = 0; y < w.height; ++y) {
    const Tap& tap = rows[static_cast<std::size_t>(y)];
    if (held[0] != tap.first && held[1] == tap.first) {
      std::swap(lines[0], lines[1]);
      std::swap(held[0], held[1]);
    }
    const int wanted[2] = {tap.first, tap.second};
    for (int side = 0; side < 2; ++side) {
      if (held[side] == wanted[side]) continue;
      if (side == 1 && wanted[1] == held[0])
        lines[1] = lines[0];
      else
        stretch_row<channels>(in.row(wanted[side]), columns, lines[side].data());
      held[side] = wanted[side];
    }
    mix_rows(lines[0].data(), lines[1].data(), static_cast<std::int16_t>(tap.weight0),
             static_cast<std::int16_t>(tap.weight1), count, out.row(y));
  }
  return out;
}

Image halve(const Image& in, Window w) {
  Image out(w.height, w.width, in.channels);
  const auto channels = static_cast<std::size_t>(in.channels);
  for (int y = 0; y < w.height; ++y) {
    const std::uint8_t* a = in.row(2 * (w.y + y)) + 2 * static_cast<std::size_t>(w.x) * channels;
    const std::uint8_t* b = a + in.pitch();
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < w.width; ++x, a += 2 * channels, b += 2 * channels)
      for (std::size_t c = 0; c < channels; ++c)
        *to++ = static_cast<std::uint8_t>((a[c] + a[c + channels] + b[c] + b[c + channels] + 2) >> 2);
  }
  return out;
}

}  // namespace

Size shortest_edge_size(Size image, int short_edge, int max_long_edge) {
  require(image.height > 0 && image.width > 0 && short_edge > 0 && max_long_edge > 0, "shortest_edge_size",
          "needs positive sizes, got ", image.height, " x ", image.width, ", ", short_edge, ", ", max_long_edge);
  const double f = static_cast<double>(short_edge) / std::min(image.height, image.width);
  double h = image.height < image.width ? short_edge : f * image.height;
  double w = image.height < image.width ? f * image.width : short_edge;
  if (std::max(h, w) > max_long_edge) {
    const double shrink = max_long_edge / std::max(h, w);
    h *= shrink;
    w *= shrink;
  }
  // The official code hands this size to a keep-ratio resize, which may move a side by one pixel.
  return keep_ratio_size(image, std::max(1, static_cast<int>(w + 0.5)), std::max(1, static_cast<int>(h + 0.5)));
}

Size keep_ratio_size(Size image, int a, int b) {
  require(image.height > 0 && image.width > 0 && a > 0 && b > 0, "keep_ratio_size", "needs positive sizes, got ",
          image.height, " x ", image.width, ", ", a, ", ", b);
  const double by_long = static_cast<double>(std::max(a, b)) / std::max(image.height, image.width);
  const double by_short = static_cast<double>(std::min(a, b)) / std::min(image.height, image.width);
  return scaled_size(image, std::min(by_long, by_short));
}

Size scaled_size(Size image, double factor) {
  return {std::max(1, static_cast<int>(image.height * factor + 0.5)),
          std::max(1, static_cast<int>(image.width * factor + 0.5))};
}

Image resize_bilinear(const Image& image, Size size) {
  return resize_bilinear(image, size, {0, 0, size.height, size.width});
}

Image resize_bilinear(const Image& image, Size size, Window window) {
  window = clip(window, size);
  check("resize_bilinear", image.height, image.width, size, window);
  if (image.height == 2 * size.height && image.width == 2 * size.width) return halve(image, window);
  switch (image.channels) {
    case 1:
      return bilinear<1>(image, size, window);
    case 2:
      return bilinear<2>(image, size, window);
    case 3:
      return bilinear<3>(image, size, window);
    case 4:
      return bilinear<4>(image, size, window);
    default:
      fail("resize_bilinear", "needs 1 to 4 channels, got ", image.channels);
  }
}

LabelMap resize_nearest(const LabelMap& labels, Size size) {
  return resize_nearest(labels, size, {0, 0, size.height, size.width});
}

LabelMap resize_nearest(const LabelMap& labels, Size size, Window window) {
  window = clip(window, size);
  check("resize_nearest", labels.height, labels.width, size, window);
  const double dy = step(labels.height, size.height), dx = step(labels.width, size.width);
  std::vector<int> columns(static_cast<std::size_t>(window.width));
  for (int x = 0; x < window.width; ++x) {
    const int from = static_cast<int>(std::floor((window.x + x) * dx));
    columns[static_cast<std::size_t>(x)] = std::min(from, labels.width - 1);
  }
  LabelMap out(window.height, window.width);
  for (int y = 0; y < window.height; ++y) {
    const int from = static_cast<int>(std::floor((window.y + y) * dy));
    const std::uint8_t* in = labels.row(std::min(from, labels.height - 1));
    std::uint8_t* to = out.row(y);
    for (const int x : columns) *to++ = in[x];
  }
  return out;
}

}  // namespace rein::data
