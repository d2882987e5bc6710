#include "train/verify/golden_generate.h"

#include <cmath>
#include <string>

#include "tensor/error.h"

namespace rein::train {
namespace {

constexpr std::uint64_t golden_ratio = 0x9E3779B97F4A7C15u;

double unit(std::uint64_t z) {
  return static_cast<double>(z >> 40) * 0x1p-24;
}

std::uint64_t start(std::string_view name, std::uint64_t seed) {
  return fnv1a64(name) + seed * golden_ratio;
}

}  // namespace

std::uint64_t fnv1a64(std::string_view text) {
  std::uint64_t h = 0xCBF29CE484222325u;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return h;
}

std::uint64_t splitmix64(std::uint64_t x) {
  x += golden_ratio;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

std::uint64_t generated_bits(std::string_view name, std::uint64_t seed, std::uint64_t index) {
  return splitmix64(start(name, seed) + index);
}

double generated_unit(std::string_view name, std::uint64_t seed, std::uint64_t index) {
  return unit(generated_bits(name, seed, index));
}

Tensor generated_tensor(std::string_view name, std::uint64_t seed, const Shape& shape, double lo, double hi) {
  Tensor t = Tensor::empty(shape, DType::f32);
  float* out = t.mutable_data<float>();
  const std::uint64_t first = start(name, seed);
  for (std::int64_t i = 0; i < shape.count(); ++i)
    out[i] = static_cast<float>(lo + (hi - lo) * unit(splitmix64(first + static_cast<std::uint64_t>(i))));
  return t;
}

Tensor generated_locations(std::string_view name, std::uint64_t seed, const Shape& shape, double lo, double hi,
                           const std::vector<std::vector<std::int64_t>>& pixel_sizes) {
  require(shape.rank() == 6 && shape[5] == 2 && shape[3] == static_cast<std::int64_t>(pixel_sizes.size()),
          "generated_locations", "shape must be (N, Q, M, ", pixel_sizes.size(), ", P, 2), got ", shape);
  for (const auto& size : pixel_sizes)
    require(size.size() == 2, "generated_locations", "pixel_sizes must be pairs of (h, w), got ", size.size(),
            " numbers");
  Tensor t = Tensor::empty(shape, DType::f32);
  float* out = t.mutable_data<float>();
  const std::uint64_t first = start(name, seed);
  for (std::int64_t i = 0; i < shape.count(); ++i) {
    const auto& size = pixel_sizes[static_cast<std::size_t>(i / 2 / shape[4] % shape[3])];
    const double n = static_cast<double>(i % 2 == 0 ? size[1] : size[0]);
    const double p = (lo + (hi - lo) * unit(splitmix64(first + static_cast<std::uint64_t>(i)))) * n - 0.5;
    const double k = std::floor(p);
    out[i] = static_cast<float>((k + 0.02 + 0.96 * (p - k) + 0.5) / n);
  }
  return t;
}

Tensor generated_labels(const LabelRule& rule, std::uint64_t seed, std::int64_t n, std::int64_t h, std::int64_t w) {
  require(rule.block >= 1, "generated_labels", "block must be at least 1, got ", rule.block);
  const std::int64_t rows = (h + rule.block - 1) / rule.block, cols = (w + rule.block - 1) / rule.block;
  Tensor t = Tensor::empty({n, h, w}, DType::i64);
  std::int64_t* out = t.mutable_data<std::int64_t>();
  const std::uint64_t noise = start("in.labels_noise", seed), blocks = start("in.labels_block", seed);
  for (std::int64_t i = 0; i < t.count(); ++i) {
    const std::int64_t image = i / (h * w), y = i / w % h, x = i % w;
    const std::int64_t b = (image * rows + y / rule.block) * cols + x / rule.block;
    const bool ignored = unit(splitmix64(noise + static_cast<std::uint64_t>(i))) < rule.ignore_below;
    const double u = unit(splitmix64(blocks + static_cast<std::uint64_t>(b)));
    out[i] = ignored ? 255
                     : static_cast<std::int64_t>(std::floor(static_cast<double>(rule.count) * u)) +
                           rule.shift_per_image * image;
  }
  return t;
}

double sign_projection(std::string_view name, int k, std::uint64_t seed, std::span<const double> values) {
  const std::uint64_t first = start("proj." + std::to_string(k) + "." + std::string(name), seed);
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += splitmix64(first + i) >> 63 ? -values[i] : values[i];
  return sum;
}

}  // namespace rein::train
