#include "data/images/halve.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/error.h"

namespace rein::data {
namespace {

constexpr int weight_bits = 22;

// The source pixels of each output pixel of an axis, and their weights out of 2^22.
struct Taps {
  std::vector<int> first, count;
  std::vector<std::int32_t> weights;
  int pitch = 0;
  const std::int32_t* of(int i) const { return weights.data() + std::ptrdiff_t{i} * pitch; }
};

double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

Taps make_taps(int from, int to) {
  const double scale = static_cast<double>(from) / to, widen = std::max(scale, 1.0), support = 2 * widen,
               shrink = 1 / widen;
  Taps taps;
  taps.pitch = 2 * static_cast<int>(std::ceil(support)) + 1;
  taps.weights.resize(static_cast<std::size_t>(to) * static_cast<std::size_t>(taps.pitch));
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const int begin = std::max(0, static_cast<int>(centre - support + 0.5));
    const int end = std::min(from, static_cast<int>(centre + support + 0.5));
    std::vector<double> weights;
    double sum = 0;
    for (int k = begin; k < end; ++k) sum += weights.emplace_back(cubic((k - centre + 0.5) * shrink));
    taps.first.push_back(begin);
    taps.count.push_back(end - begin);
    std::int32_t* to_weight = taps.weights.data() + std::ptrdiff_t{i} * taps.pitch;
    for (const double w : weights) {
      const double fixed = w / sum * (1 << weight_bits);
      *to_weight++ = static_cast<std::int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
  }
  return taps;
}

std::uint8_t rounded(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> weight_bits, 0, 255));
}

// The weights of a pixel add up to about 2^22 and their magnitudes to less than 1.5 times that: 32 bits hold it.
constexpr std::int32_t half = 1 << (weight_bits - 1);

Image narrow(const Image& in, int width) {
  const Taps taps = make_taps(in.width, width);
  Image out(in.height, width, in.channels);
  for (int y = 0; y < in.height; ++y) {
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < width; ++x) {
      const std::int32_t* w = taps.of(x);
      const std::uint8_t* from = in.row(y) + std::ptrdiff_t{taps.first[std::size_t(x)]} * in.channels;
      const int count = taps.count[std::size_t(x)];
      for (int c = 0; c < in.channels; ++c) {
        std::int32_t sum = half;
        for (int k = 0; k < count; ++k) sum += w[k] * from[std::ptrdiff_t{k} * in.channels + c];
        *to++ = rounded(sum);
      }
    }
  }
  return out;
}

Image flatten(const Image& in, int height) {
  const Taps taps = make_taps(in.height, height);
  Image out(height, in.width, in.channels);
  std::vector<std::int32_t> sums(in.pitch());
  for (int y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), half);
    for (int k = 0; k < taps.count[std::size_t(y)]; ++k) {
      const std::uint8_t* from = in.row(taps.first[std::size_t(y)] + k);
      const std::int32_t w = taps.of(y)[k];
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += w * from[i];
    }
    std::transform(sums.begin(), sums.end(), out.row(y), rounded);
  }
  return out;
}

}  // namespace

Size half_size(Size size) {
  require(size.height > 0 && size.width > 0, "halve", "needs a picture of at least one pixel, got ", size.height, " x ",
          size.width);
  return {std::max(1, size.height / 2), std::max(1, size.width / 2)};
}

Image halve_photo(const Image& image) {
  const Size size = half_size({image.height, image.width});
  const Image narrowed = size.width == image.width ? image : narrow(image, size.width);
  return size.height == image.height ? narrowed : flatten(narrowed, size.height);
}

LabelMap halve_labels(const LabelMap& labels) {
  const Size size = half_size({labels.height, labels.width});
  LabelMap out(size.height, size.width);
  const auto source = [](int i, int from, int to) {
    return std::min(from - 1, static_cast<int>((i + 0.5) * (static_cast<double>(from) / to)));
  };
  std::vector<int> columns;
  for (int x = 0; x < size.width; ++x) columns.push_back(source(x, labels.width, size.width));
  for (int y = 0; y < size.height; ++y) {
    const std::uint8_t* from = labels.row(source(y, labels.height, size.height));
    std::transform(columns.begin(), columns.end(), out.row(y), [from](int x) { return from[x]; });
  }
  return out;
}

}  // namespace rein::data
