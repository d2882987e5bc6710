#include "tensor/ops/shape/shape_ops_axes.h"

namespace rein::ops {

CopyAxes merged_axes(const std::int64_t* sizes, const std::int64_t* strides, int rank) {
  CopyAxes axes;
  for (int k = 0; k < rank; ++k) {
    if (sizes[k] == 1) continue;
    const int last = axes.rank - 1;
    if (last >= 0 && axes.strides[last] == strides[k] * sizes[k]) {
      axes.sizes[last] *= sizes[k];
      axes.strides[last] = strides[k];
    } else {
      axes.sizes[axes.rank] = sizes[k];
      axes.strides[axes.rank] = strides[k];
      ++axes.rank;
    }
  }
  if (axes.rank == 0) {
    axes.sizes[0] = axes.strides[0] = 1;
    axes.rank = 1;
  }
  return axes;
}

CopyPlanes planes_of(const CopyAxes& axes) {
  const int last = axes.rank - 1;
  int dense = 0;
  while (axes.strides[dense] != 1) ++dense;
  CopyPlanes p;
  p.rows = axes.sizes[dense];
  p.cols = axes.sizes[last];
  p.src_pitch = axes.strides[last];
  for (int k = dense + 1; k <= last; ++k) p.dst_pitch *= axes.sizes[k];
  for (int k = 0; k < last; ++k) {
    if (k == dense) continue;
    p.from.sizes[p.from.rank] = axes.sizes[k];
    p.from.strides[p.from.rank] = axes.strides[k];
    p.planes *= axes.sizes[k];
    ++p.from.rank;
  }
  // Output strides of the other axes, from the innermost: those outside of `dense` count it in.
  p.to = p.from;
  std::int64_t inside = axes.sizes[last];
  for (int k = last - 1, o = p.to.rank - 1; k >= 0; --k) {
    if (k != dense) p.to.strides[o--] = inside;
    inside *= axes.sizes[k];
  }
  return p;
}

}  // namespace rein::ops
