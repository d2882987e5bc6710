// The largest value and the first place where it stands; the first NaN where there is one. Included by .cu files.
#pragma once

#include "tensor/cuda/kernel.h"

namespace rein::cuda {

template <class T>
struct FirstMax {
  T value = T(0);
  std::int64_t place = -1;  // -1: nothing yet

  __device__ void take(T other, std::int64_t at) {
    if (at < 0) return;
    const bool nan = value != value, other_nan = other != other;
    const bool better =
        place < 0 || (other_nan && !nan) || other > value || ((other == value || (nan && other_nan)) && at < place);
    if (better) value = other, place = at;
  }
  __device__ void join_warp() {
    for (int step = warp_size / 2; step > 0; step /= 2) {
      const T other = __shfl_xor_sync(all_lanes, value, step);
      const std::int64_t at = __shfl_xor_sync(all_lanes, place, step);
      take(other, at);
    }
  }
};

}  // namespace rein::cuda
