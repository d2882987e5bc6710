// CPU kernels behind tensor/ops/dropout.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/random.h"

namespace rein::ops::cpu {

// One sample of `count` elements. `period`: unit of element i is i % period (its size: each element; the channels: each
// channel; 1: all together).
template <class T>
void dropout(const T* x, RandomKey sample_key, double p, std::int64_t count, std::int64_t period, T* y);

}  // namespace rein::ops::cpu
