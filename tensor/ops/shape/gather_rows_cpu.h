// CPU kernels behind tensor/ops/shape/gather_rows.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

namespace rein::ops::cpu {

struct GatherSizes {
  std::int64_t batches, length, taken, channels;
};

template <class T>
void gather_rows(const GatherSizes& s, const T* x, const std::int64_t* index, T* y);
template <class T>
void gather_rows_backward(const GatherSizes& s, const T* grad_out, const std::int64_t* index, T* grad_x);

}  // namespace rein::ops::cpu
