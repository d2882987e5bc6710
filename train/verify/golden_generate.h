// Inputs of the large reference cases, which are not stored but follow a rule (golden README, section 18).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace rein::train {

std::uint64_t fnv1a64(std::string_view text);
std::uint64_t splitmix64(std::uint64_t x);

// The 64 bits of element `index` of the tensor `name`, and u in [0, 1), a multiple of 2^-24.
std::uint64_t generated_bits(std::string_view name, std::uint64_t seed, std::uint64_t index);
double generated_unit(std::string_view name, std::uint64_t seed, std::uint64_t index);

// f32, element i = lo + (hi - lo) u(i).
Tensor generated_tensor(std::string_view name, std::uint64_t seed, const Shape& shape, double lo, double hi);
// `in.sampling_locations` (N, Q, M, level, point, 2): kept 0.02 pixels away from pixel centre lines. (h, w) per level.
Tensor generated_locations(std::string_view name, std::uint64_t seed, const Shape& shape, double lo, double hi,
                           const std::vector<std::vector<std::int64_t>>& pixel_sizes);

struct LabelRule {
  std::int64_t block = 1, count = 1, shift_per_image = 0;
  double ignore_below = 0;
};
Tensor generated_labels(const LabelRule& rule, std::uint64_t seed, std::int64_t n, std::int64_t h, std::int64_t w);

// Dot product of `values` with sign vector k of the tensor `name` ("out.feat.0"), in double.
double sign_projection(std::string_view name, int k, std::uint64_t seed, std::span<const double> values);

}  // namespace rein::train
