// CPU kernel behind tensor/ops/attention/rope.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/attention/rope.h"

namespace rein::ops::cpu {

struct RopeSizes {
  std::int64_t batches, length, cols;  // of x
  std::int64_t kept_rows;              // the first rows of each batch, copied
  std::int64_t columns;                // the first columns of a row, rotated
  std::int64_t half;                   // pairs in a head
};

// cos and sin: (length - kept_rows, half). inverse: by minus the angles.
template <class T>
void rope(const T* x, const T* cos, const T* sin, const RopeSizes& sizes, RopePairs pairs, bool inverse, T* y);

}  // namespace rein::ops::cpu
