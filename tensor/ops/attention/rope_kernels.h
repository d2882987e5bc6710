// The kernels behind rope.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/attention/rope.h"
#include "tensor/ops/kernels.h"

namespace rein::ops {

struct RopeSizes {
  std::int64_t batches, length, cols;  // of x
  std::int64_t kept_rows;              // the first rows of each batch, copied
  std::int64_t columns;                // the first columns of a row, rotated
  std::int64_t half;                   // pairs in a head
};

REIN_KERNELS(
    // cos and sin: (length - kept_rows, half). inverse: by minus the angles.
    // X: T, or bf16 beside tables in f32.
    template <class T, class X = T>
    void rope(const X* x, const T* cos, const T* sin, const RopeSizes& sizes, RopePairs pairs, bool inverse, X* y);)

}  // namespace rein::ops
