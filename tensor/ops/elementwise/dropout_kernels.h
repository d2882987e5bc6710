// The kernels behind dropout.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"
#include "tensor/random.h"

namespace rein::ops {

REIN_KERNELS(
    // x (samples, count). Sample n's key is key.child(first_sample + n). `period`: unit of element i of a sample is
    // i % period (count: each element; the channels: each channel; 1: all together).
    template <class T> void dropout(const T* x, RandomKey key, std::int64_t first_sample, double p,
                                    std::int64_t samples, std::int64_t count, std::int64_t period, T* y);)

}  // namespace rein::ops
