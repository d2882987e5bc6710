#include "models/vit/rope_table.h"

#include <cmath>
#include <numbers>
#include <vector>

#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"

namespace rein::models {
namespace {

double coordinate(const VitRope& rope, std::int64_t index, std::int64_t count) {
  const auto i = static_cast<double>(index), n = static_cast<double>(count);
  if (rope.kind == RopeKind::dinov3) return 2 * std::numbers::pi * (2 * (i + 0.5) / n - 1);
  return i / n * static_cast<double>(rope.reference_grid);
}

}  // namespace

ops::RopeTable rope_table(const VitRope& rope, std::int64_t h, std::int64_t w, std::int64_t head_dim, DType dtype) {
  if (rope.kind == RopeKind::none) return {};
  require(head_dim >= 4 && head_dim % 4 == 0, "rope_table", "the head width must be a multiple of 4, got ", head_dim);
  require(h >= 1 && w >= 1 && rope.theta > 0 && rope.reference_grid >= 1, "rope_table",
          "grid, theta and reference grid must be positive, got ", h, " x ", w, ", ", rope.theta, ", ",
          rope.reference_grid);
  const std::int64_t n = head_dim / 4;
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < n; ++i)
    frequencies.push_back(std::pow(rope.theta, -static_cast<double>(i) / static_cast<double>(n)));
  std::vector<double> cos, sin;
  cos.reserve(static_cast<std::size_t>(h * w * 2 * n));
  sin.reserve(cos.capacity());
  for (std::int64_t r = 0; r < h; ++r) {
    for (std::int64_t c = 0; c < w; ++c) {
      for (const double place : {coordinate(rope, r, h), coordinate(rope, c, w)}) {
        for (const double f : frequencies) {
          cos.push_back(std::cos(place * f));
          sin.push_back(std::sin(place * f));
        }
      }
    }
  }
  const Shape shape{h * w, 2 * n};
  return {ops::cast(Tensor::from(cos, shape), dtype), ops::cast(Tensor::from(sin, shape), dtype),
          rope.kind == RopeKind::dinov3 ? ops::RopePairs::half : ops::RopePairs::interleaved};
}

}  // namespace rein::models
