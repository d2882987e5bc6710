// The kernels behind mask_point_loss.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/host_device.h"
#include "tensor/ops/kernels.h"

namespace rein::ops {

// The inputs of mask_costs; `at` is the cost of row q, a query of all images' N Q, and target t of its image.
template <class T>
struct MaskCosts {
  const T *zg, *sg, *g_sum, *probability;        // (N, Q, G), (N, Q, G), (N, G), (N, Q, K + 1)
  const double* sums;                            // (N Q, 2)
  const std::int64_t* classes;                   // (G)
  std::int64_t images, queries, targets, slots;  // N, Q, G, K
  double points, cls, mask, dice;

  REIN_HOST_DEVICE double at(std::int64_t q, std::int64_t t) const {
    const std::int64_t i = q * targets + t;
    const double class_cost = -static_cast<double>(probability[q * (slots + 1) + classes[t]]);
    const double bce = (sums[2 * q] - static_cast<double>(zg[i])) / points;
    const double targeted = static_cast<double>(g_sum[q / queries * targets + t]);
    const double ratio = (2 * static_cast<double>(sg[i]) + 1) / (sums[2 * q + 1] + targeted + 1);
    return cls * class_cost + mask * bce + dice * (1 - ratio);
  }
};

REIN_KERNELS(
    // ids (rows), or null: a row with ids < 0 is absent.
    // *bce and *dice: the two losses over their divisors. sums (rows, 2): of s g, and of s + g.
    template <class T>
    void mask_point_loss(const T* z, const T* g, const std::int64_t* ids, std::int64_t rows, std::int64_t cols,
                         double bce_divisor, double dice_divisor, T* bce, T* dice, double* sums);
    // grad_bce, grad_dice: one value each, or null. sums as made by mask_point_loss.
    template <class T>
    void mask_point_loss_backward(const T* grad_bce, const T* grad_dice, const T* z, const T* g,
                                  const std::int64_t* ids, const double* sums, std::int64_t rows, std::int64_t cols,
                                  double bce_divisor, double dice_divisor, T* grad_z);
    // sigmoid (rows, cols); sums (rows, 2): of softplus(z), of s.
    template <class T> void mask_cost_terms(const T* z, std::int64_t rows, std::int64_t cols, T* sigmoid, double* sums);
    // cost (N, Q, G), and column classes[t] of slots (N, Q, K).
    template <class T> void mask_costs(const MaskCosts<T>& of, double* cost, double* slots);)

}  // namespace rein::ops
