// What the forward and backward kernels of deformable attention share: tables of levels and the cell around a point.
#pragma once

#include "tensor/cuda/kernel.h"
#include "tensor/ops/ms_deform_attn_cuda.h"

namespace rein::ops::cuda {

inline constexpr int most_levels = 32;

// A kernel argument.
struct DeformLevels {
  DeformLevel at[most_levels];
};

// `level` holds each level `repeats` times.
inline DeformLevels deform_levels(const DeformLevel* level, std::int64_t levels, std::int64_t repeats) {
  require(levels <= most_levels, "ms_deform_attn", "takes at most ", most_levels, " levels on CUDA, got ", levels);
  DeformLevels all{};
  for (std::int64_t l = 0; l < levels; ++l) all.at[l] = level[l * repeats];
  return all;
}

// The four pixels around a point. Corner k: x0 + (k & 1), y0 + (k >> 1). `pixel` of a corner outside of the map is some
// pixel inside, so that reading it is harmless.
template <class T>
struct DeformCell {
  T fx, fy;
  std::int64_t pixel[4];
  bool inside[4];

  __device__ void weights(T* b) const {
    b[0] = (T(1) - fy) * (T(1) - fx), b[1] = (T(1) - fy) * fx;
    b[2] = fy * (T(1) - fx), b[3] = fy * fx;
  }
};

// False: all four corners are outside. A NaN coordinate is a cell with NaN fractions.
template <class T>
__device__ inline bool find_cell(const T* location, const DeformLevel& level, DeformCell<T>& cell) {
  const T width = static_cast<T>(level.width), height = static_cast<T>(level.height);
  const T x = location[0] * width - T(0.5), y = location[1] * height - T(0.5);
  std::int64_t x0 = 0, y0 = 0;
  if (x > T(-1) && x < width && y > T(-1) && y < height) {
    const T left = floor(x), top = floor(y);
    x0 = static_cast<std::int64_t>(left), y0 = static_cast<std::int64_t>(top);
    cell.fx = x - left, cell.fy = y - top;
  } else if (x == x && y == y) {
    return false;
  } else {
    cell.fx = cell.fy = (x - x) + (y - y);  // NaN
  }
  const bool left = x0 >= 0, right = x0 + 1 < level.width, top = y0 >= 0, bottom = y0 + 1 < level.height;
  const std::int64_t xl = left ? x0 : 0, xr = right ? x0 + 1 : x0;
  const std::int64_t top_row = level.first + (top ? y0 : 0) * level.width;
  const std::int64_t bottom_row = level.first + (bottom ? y0 + 1 : y0) * level.width;
  cell.pixel[0] = top_row + xl, cell.pixel[1] = top_row + xr;
  cell.pixel[2] = bottom_row + xl, cell.pixel[3] = bottom_row + xr;
  cell.inside[0] = top && left, cell.inside[1] = top && right;
  cell.inside[2] = bottom && left, cell.inside[3] = bottom && right;
  return true;
}

}  // namespace rein::ops::cuda
