// CUDA kernels behind tensor/ops/attention/windows.h: the signatures of windows_cpu.h, with device addresses.
#pragma once

#include "tensor/ops/attention/windows_cpu.h"

namespace rein::ops::cuda {

using cpu::WindowSizes;

template <class T>
void window_partition(const WindowSizes& s, const T* x, const T* fill, T* windows);
template <class T>
void window_merge(const WindowSizes& s, const T* windows, T* x);
template <class T>
void window_fill_backward(const WindowSizes& s, const T* grad_windows, T* grad_fill);

}  // namespace rein::ops::cuda
