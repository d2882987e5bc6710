// What the forward and backward kernels of deformable attention share: tables of levels and the cell around a point.
#pragma once

#include "tensor/cuda/kernel.h"
#include "tensor/ops/sampling/ms_deform_attn_kernels.h"

namespace rein::ops::cuda {

constexpr int most_levels = 32;

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

// The four pixels around a point. Corner k: x0 + (k & 1), y0 + (k >> 1). Those that are not inside of the map are not
// to be read.
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

// False: all four corners are outside. A NaN coordinate is a cell with NaN fractions. Coordinates fit 32 bits, where
// arithmetic costs half as much: a level has at most 2^24 rows and columns.
template <class T>
__device__ inline bool find_cell(const T* location, const DeformLevel& level, DeformCell<T>& cell) {
  const int columns = static_cast<int>(level.width), rows = static_cast<int>(level.height);
  const T width = static_cast<T>(columns), height = static_cast<T>(rows);
  const T x = location[0] * width - T(0.5), y = location[1] * height - T(0.5);
  int x0 = 0, y0 = 0;
  if (x > T(-1) && x < width && y > T(-1) && y < height) {
    x0 = static_cast<int>(floor(x)), y0 = static_cast<int>(floor(y));
    cell.fx = x - static_cast<T>(x0), cell.fy = y - static_cast<T>(y0);
  } else if (x == x && y == y) {
    return false;
  } else {
    cell.fx = cell.fy = (x - x) + (y - y);  // NaN
  }
  cell.pixel[0] = level.first + std::int64_t{y0} * columns + x0, cell.pixel[1] = cell.pixel[0] + 1;
  cell.pixel[2] = cell.pixel[0] + columns, cell.pixel[3] = cell.pixel[2] + 1;
  const bool left = x0 >= 0, right = x0 + 1 < columns, top = y0 >= 0, bottom = y0 + 1 < rows;
  cell.inside[0] = top && left, cell.inside[1] = top && right;
  cell.inside[2] = bottom && left, cell.inside[3] = bottom && right;
  return true;
}

}  // namespace rein::ops::cuda
