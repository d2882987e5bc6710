// CPU kernels behind tensor/ops/mask_point_loss.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

namespace rein::ops::cpu {

// *bce and *dice: the two losses over their divisors. sums (rows, 2): of s g, and of s + g.
template <class T>
void mask_point_loss(const T* z, const T* g, std::int64_t rows, std::int64_t cols, double bce_divisor,
                     double dice_divisor, T* bce, T* dice, double* sums);

// grad_bce, grad_dice: one value each, or null. sums as made by mask_point_loss.
template <class T>
void mask_point_loss_backward(const T* grad_bce, const T* grad_dice, const T* z, const T* g, const double* sums,
                              std::int64_t rows, std::int64_t cols, double bce_divisor, double dice_divisor, T* grad_z);

// sigmoid (rows, cols); sums (rows, 2): of softplus(z), of s.
template <class T>
void mask_cost_terms(const T* z, std::int64_t rows, std::int64_t cols, T* sigmoid, double* sums);

}  // namespace rein::ops::cpu
