// Mask losses on sampled points: binary cross-entropy and dice of logits z against targets g in [0, 1], and the terms
// of the matching cost. s = sigmoid(z); softplus(z) = log(1 + e^z), computed as max(z, 0) + log1p(e^-|z|).
// Equal PyTorch calls: binary_cross_entropy_with_logits(reduction="sum"); mmdet's DiceLoss (naive, eps 1).
// Numerics: rows are summed in chunks of 1024 points in the tensor's dtype, chunks in double, in order. NaN propagates.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

struct MaskPointLoss {
  Tensor bce;   // () sum over t, p of (softplus(z) - z g) / bce_divisor
  Tensor dice;  // () sum over t of (1 - (2 sum s g + 1) / (sum s + sum g + 1)) / dice_divisor
  Tensor sums;  // f64 (T, 2): sum s g and sum s + sum g of a row
};
// z, g (T, P), f32 or f64. T = 0: zeros. rows i64 (T), or null: a row t with rows[t] < 0 is absent: it adds exactly 0
// to both losses, whatever z and g hold there, and has a zero gradient.
MaskPointLoss mask_point_loss(const Tensor& z, const Tensor& g, double bce_divisor, double dice_divisor,
                              const Tensor& rows = {});
// grad_bce, grad_dice (), either null. -> like z.
Tensor mask_point_loss_backward(const Tensor& grad_bce, const Tensor& grad_dice, const Tensor& z, const Tensor& g,
                                const Tensor& sums, double bce_divisor, double dice_divisor, const Tensor& rows = {});

struct MaskCostTerms {
  Tensor sigmoid;  // (Q, P)
  Tensor sums;     // f64 (Q, 2): sum softplus(z) and sum s of a row
};
MaskCostTerms mask_cost_terms(const Tensor& z);  // (Q, P)

// The matching cost of Q queries and G targets in each of N images, f64: with the products over P points zg = z g^T
// and sg = s g^T, both (N, Q, G), g_sum (N, G) = sum g, and the class probabilities (N, Q, K + 1), in each image
//   cost[q][t] = cls * -probability[q][classes[t]] + mask * (sum softplus(z) - zg) / P
//              + dice * (1 - (2 sg + 1) / (sum s + sum g + 1)).
struct MaskCostInputs {
  Tensor zg, sg, g_sum, probability;
  Tensor sums;     // of mask_cost_terms, (N Q, 2)
  Tensor classes;  // i64 (G), in [0, K), the same in all images; on a GPU not checked
  std::int64_t points = 0;
  double cls = 0, mask = 0, dice = 0;
};
// -> (N, Q, G). The same numbers go into column classes[t] of `slots`, f64 (N, Q, K); its other columns are left alone.
Tensor mask_costs(const MaskCostInputs& in, Tensor& slots);

}  // namespace rein::ops
