// CUDA kernels behind tensor/ops/loss/mask_point_loss.h: the signatures of mask_point_loss_cpu.h, with device
// addresses.
#pragma once

#include <cstdint>

#include "tensor/ops/loss/mask_point_loss_cpu.h"

namespace rein::ops::cuda {

using cpu::MaskCosts;

template <class T>
void mask_point_loss(const T* z, const T* g, const std::int64_t* ids, std::int64_t rows, std::int64_t cols,
                     double bce_divisor, double dice_divisor, T* bce, T* dice, double* sums);
template <class T>
void mask_point_loss_backward(const T* grad_bce, const T* grad_dice, const T* z, const T* g, const std::int64_t* ids,
                              const double* sums, std::int64_t rows, std::int64_t cols, double bce_divisor,
                              double dice_divisor, T* grad_z);
template <class T>
void mask_cost_terms(const T* z, std::int64_t rows, std::int64_t cols, T* sigmoid, double* sums);

template <class T>
void mask_costs(const MaskCosts<T>& of, double* cost, double* slots);

}  // namespace rein::ops::cuda
