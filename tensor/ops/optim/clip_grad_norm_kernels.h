// The kernels behind clip_grad_norm.h. The slots are on the host; the addresses in them, `squares` and `norm` are on
// the device. No checks here: the door has made them.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/ops/kernels.h"

namespace rein::ops {

template <class T>
struct ClipSlot {
  const T* from;
  T* to;  // null: only read
  std::int64_t count;
};

REIN_KERNELS(
    // squares = (add ? squares : 0) + the sum of all squares.
    template <class T> void sum_squares(std::span<const ClipSlot<T>> slots, bool add, double* squares);
    // norm = sqrt of squares.
    void norm_of_squares(const double* squares, double* norm);
    // Scaled by min(1, max_norm / (norm + 1e-6)); a norm that is not finite leaves all alone.
    template <class T> void scale_to_norm(std::span<const ClipSlot<T>> slots, const double* norm, double max_norm);)

}  // namespace rein::ops
