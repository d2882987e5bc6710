// The kernel behind resize.h: the forward runs it with the taps of the two axes, the backward with their transposes,
// whose arrays are on the device as well. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

// Output i of an axis is the sum of weight[t] * input[index[t]] over t in [start[i], start[i + 1]).
template <class T>
struct Taps {
  const std::int64_t* start;
  const std::int32_t* index;
  const T* weight;
};

REIN_KERNELS(
    // x (n, in_h, in_w, channels) -> y (n, out_h, out_w, channels).
    template <class T> void resample(const T* x, std::int64_t n, std::int64_t in_h, std::int64_t in_w,
                                     std::int64_t channels, const Taps<T>& rows, const Taps<T>& cols,
                                     std::int64_t out_h, std::int64_t out_w, T* y);)

}  // namespace rein::ops
