// The kernels behind reduce.h. x is (outer, size, inner); no checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

REIN_KERNELS(
    // *y = scale * sum.
    template <class T> void sum_all(const T* x, std::int64_t count, double scale, T* y);
    // y (outer, inner) = scale * sum over the middle axis.
    template <class T>
    void sum_axis(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, double scale, T* y);
    // grad_x (outer, size, inner) = scale * grad_out (outer, inner).
    template <class T>
    void spread_axis(const T* grad_out, std::int64_t outer, std::int64_t size, std::int64_t inner, T scale, T* grad_x);
    // grad_x = scale * *grad_out everywhere.
    template <class T> void spread_all(const T* grad_out, std::int64_t count, double scale, T* grad_x);
    template <class T> void max_axis(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* values,
                                     std::int64_t* indices);
    template <class T> void max_axis_backward(const T* grad_out, const std::int64_t* indices, std::int64_t outer,
                                              std::int64_t size, std::int64_t inner, T* grad_x);)

}  // namespace rein::ops
