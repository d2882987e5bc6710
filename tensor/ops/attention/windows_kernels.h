// The kernels behind windows.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

struct WindowSizes {
  std::int64_t batches, height, width, channels, side;
  std::int64_t rows() const { return (height + side - 1) / side; }
  std::int64_t cols() const { return (width + side - 1) / side; }
};

REIN_KERNELS(
    // fill null: zero.
    template <class T> void window_partition(const WindowSizes& s, const T* x, const T* fill, T* windows);
    template <class T> void window_merge(const WindowSizes& s, const T* windows, T* x);
    template <class T> void window_fill_backward(const WindowSizes& s, const T* grad_windows, T* grad_fill);)

}  // namespace rein::ops
