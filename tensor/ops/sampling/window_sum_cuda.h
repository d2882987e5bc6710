// CUDA kernels behind tensor/ops/sampling/window_sum.h: the signatures of window_sum_cpu.h, with device addresses.
#pragma once

#include <cstdint>

namespace rein::ops::cuda {

template <class T>
void add_window(T* sum, std::int64_t pitch, const T* window, std::int64_t rows, std::int64_t run);
template <class T>
void divide_by_counts(T* sum, const std::int64_t* counts, std::int64_t pixels, std::int64_t channels);

}  // namespace rein::ops::cuda
