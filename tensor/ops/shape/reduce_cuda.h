// CUDA kernels behind tensor/ops/shape/reduce.h: the signatures of reduce_cpu.h, with device addresses.
#pragma once

#include <cstdint>

namespace rein::ops::cuda {

template <class T>
void sum_all(const T* x, std::int64_t count, double scale, T* y);
template <class T>
void sum_axis(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, double scale, T* y);
template <class T>
void spread_all(const T* grad_out, std::int64_t count, double scale, T* grad_x);
template <class T>
void spread_axis(const T* grad_out, std::int64_t outer, std::int64_t size, std::int64_t inner, T scale, T* grad_x);
template <class T>
void max_axis(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* values, std::int64_t* indices);
template <class T>
void max_axis_backward(const T* grad_out, const std::int64_t* indices, std::int64_t outer, std::int64_t size,
                       std::int64_t inner, T* grad_x);

}  // namespace rein::ops::cuda
