// CUDA kernels behind tensor/ops/elementwise.h: the signatures of elementwise_cpu.h, with device addresses.
#pragma once

#include "tensor/ops/elementwise_cpu.h"

namespace rein::ops::cuda {

using cpu::Binary;

template <class T>
void unary(Unary function, const T* x, std::int64_t count, T* y);
template <class T>
void unary_backward(Unary function, const T* grad_out, const T* x, std::int64_t count, T* grad_x);
template <class T>
void binary(Binary function, const T* a, const T* b, std::int64_t count, T* y);
template <class T>
void add_into(const T* a, const T* b, std::int64_t count, T* y);
template <class T>
void scale(const T* x, T factor, std::int64_t count, T* y);
template <class T>
void broadcast(Binary function, const T* x, const T* b, std::int64_t rows, std::int64_t cols, T* y);
template <class T>
void sum_rows(const T* a, const T* b, std::int64_t rows, std::int64_t cols, T* out);

}  // namespace rein::ops::cuda
