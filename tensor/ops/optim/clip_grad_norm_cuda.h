// CUDA kernels behind tensor/ops/optim/clip_grad_norm.h: slots on the host, the addresses in them, `squares` and `norm`
// on the device.
#pragma once

#include "tensor/ops/optim/clip_grad_norm_cpu.h"

namespace rein::ops::cuda {

using cpu::ClipSlot;

template <class T>
void sum_squares(std::span<const ClipSlot<T>> slots, bool add, double* squares);
void norm_of_squares(const double* squares, double* norm);
template <class T>
void scale_to_norm(std::span<const ClipSlot<T>> slots, const double* norm, double max_norm);

}  // namespace rein::ops::cuda
