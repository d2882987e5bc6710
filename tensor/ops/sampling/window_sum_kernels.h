// The kernels behind window_sum.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

REIN_KERNELS(
    // sum and window begin at the window's first pixel; rows of sum are `pitch` numbers apart, those of window `run`.
    template <class T>
    void add_window(T* sum, std::int64_t pitch, const T* window, std::int64_t rows, std::int64_t run);
    template <class T>
    void divide_by_counts(T* sum, const std::int64_t* counts, std::int64_t pixels, std::int64_t channels);)

}  // namespace rein::ops
