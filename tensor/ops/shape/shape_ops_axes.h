// How a permuted copy is cut, the same for all devices: axes that stay neighbours are merged; then either the innermost
// axis stays innermost and whole runs are copied, or planes are transposed.
#pragma once

#include <cstdint>

#include "tensor/host_device.h"
#include "tensor/shape.h"

namespace rein::ops {

struct CopyAxes {
  std::int64_t sizes[Shape::max_rank];
  std::int64_t strides[Shape::max_rank];  // of one side, in elements
  int rank = 0;

  // Offset of a flat index over the first `axes` axes.
  REIN_HOST_DEVICE std::int64_t offset(std::int64_t index, int axes) const {
    std::int64_t at = 0;
    for (int k = axes - 1; k >= 0; --k) {
      at += index % sizes[k] * strides[k];
      index /= sizes[k];
    }
    return at;
  }
};

// dst is dense with `sizes`; along axis k the source moves by strides[k] elements. At least one axis.
CopyAxes merged_axes(const std::int64_t* sizes, const std::int64_t* strides, int rank);

// The innermost output axis has a source stride above 1: planes of (axis that is dense in the source, innermost axis).
//   dst[to.offset(plane) + r * dst_pitch + c] = src[from.offset(plane) + r + c * src_pitch], r < rows, c < cols
struct CopyPlanes {
  CopyAxes from, to;  // over the other axes, to.rank of them
  std::int64_t planes = 1, rows = 1, cols = 1, src_pitch = 1, dst_pitch = 1;
};
CopyPlanes planes_of(const CopyAxes& axes);

}  // namespace rein::ops
