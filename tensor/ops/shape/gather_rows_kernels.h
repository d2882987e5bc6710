// The kernels behind gather_rows.h. The door has made all checks on the CPU; on a device an index out of range gives
// NaN in gather_rows and nothing in its backward.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

struct GatherSizes {
  std::int64_t batches, length, taken, channels;
};

REIN_KERNELS(template <class T> void gather_rows(const GatherSizes& s, const T* x, const std::int64_t* index, T* y);
             template <class T>
             void gather_rows_backward(const GatherSizes& s, const T* grad_out, const std::int64_t* index, T* grad_x);)

}  // namespace rein::ops
