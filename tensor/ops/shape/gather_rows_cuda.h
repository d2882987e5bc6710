// CUDA kernels behind tensor/ops/shape/gather_rows.h: the signatures of gather_rows_cpu.h, with device addresses. An
// index out of range gives NaN in gather_rows and nothing in its backward.
#pragma once

#include "tensor/ops/shape/gather_rows_cpu.h"

namespace rein::ops::cuda {

using cpu::GatherSizes;

template <class T>
void gather_rows(const GatherSizes& s, const T* x, const std::int64_t* index, T* y);
template <class T>
void gather_rows_backward(const GatherSizes& s, const T* grad_out, const std::int64_t* index, T* grad_x);

}  // namespace rein::ops::cuda
