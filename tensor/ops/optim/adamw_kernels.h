// The kernel behind adamw.h. The slots are on the host, the addresses in them on the device. No checks here: the door
// has made them.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/ops/kernels.h"

namespace rein::ops {

// The same for all parameters of a call.
template <class T>
struct AdamWRule {
  T beta1, one_minus_beta1, beta2, one_minus_beta2, eps;
};

template <class T>
struct AdamWSlot {
  const T* grad;
  T *param, *m, *v;
  std::int64_t count;
  T keep;       // 1 - lr wd
  T step_size;  // lr / (1 - b1^k)
  T root;       // sqrt(1 - b2^k)
};

REIN_KERNELS(template <class T> void adamw(std::span<const AdamWSlot<T>> slots, const AdamWRule<T>& rule);)

}  // namespace rein::ops
