// The kernels behind softmax.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

REIN_KERNELS(template <class T> void softmax(const T* x, T factor, std::int64_t rows, std::int64_t cols, T* y);
             template <class T> void softmax_backward(const T* grad_out, const T* y, T factor, std::int64_t rows,
                                                      std::int64_t cols, T* grad_x);)

}  // namespace rein::ops
