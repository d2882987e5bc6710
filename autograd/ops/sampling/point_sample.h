// Differentiable point sampling and the mask losses on sampled points.
#pragma once

#include <vector>

#include "autograd/variable.h"
#include "tensor/products.h"

namespace rein {

// maps (..., h, w) seen as M maps; rows i64 (T); points f32 (T, P, 2) or (P, 2) -> (T, P). The rule stands in
// tensor/ops/sampling/point_sample.h. The gradient goes to the maps, never to the points; the maps are not kept for
// backward.
Variable point_sample(const Variable& maps, const Tensor& rows, const Tensor& points);

// Points of masks that are products of embeddings and pixels, mask (n, q) = features[n] . embeddings[n][q]: what
// point_sample(matmul(embeddings, features^T), rows, points) gives, for several sets of embeddings over the same
// features at once. Only the rows that are read have a gradient, so backward makes maps of those alone, and the
// gradient of the features by one product over all sets: with 19 of 100 rows read, five times fewer operations.
struct MaskPointSet {
  Variable embeddings;  // (N, Q, C)
  Tensor rows;          // i64 (T), of the N*Q masks, each once and ascending; on the CPU or where the features are
  Tensor points;        // f32 (T, P, 2)
  Tensor values;        // (T, P), the result, by a caller who had the masks anyway; null: made here
  // Rows of image n are splits[n] to splits[n + 1]. Empty: read from the rows, which are on the CPU then. Given: rows
  // are not looked at here, and -1 marks one that is absent (tensor/ops/loss/match_slots.h): 0, without a gradient.
  std::vector<std::int64_t> splits{};
};
// features (N, h, w, C) -> per set (T, P). products: of all matrix products in it.
std::vector<Variable> mask_points(const Variable& features, const std::vector<MaskPointSet>& sets,
                                  Products products = Products::full);

struct MaskPointLosses {
  Variable bce;   // sum over t, p of (softplus(z) - z g) / bce_divisor
  Variable dice;  // sum over t of (1 - (2 sum_p s g + 1) / (sum_p s + sum_p g + 1)) / dice_divisor, s = sigmoid(z)
};
// z (T, P) logits, g (T, P) targets in [0, 1], like z; T = 0 gives zeros. rows i64 (T) or null: those below 0 are
// absent, with no part in losses and gradient. Equal PyTorch calls: binary_cross_entropy_with_logits(z, g,
// reduction="sum") / bce_divisor, and mmdet's DiceLoss (naive, eps 1).
MaskPointLosses mask_point_losses(const Variable& z, const Tensor& g, double bce_divisor, double dice_divisor,
                                  const Tensor& rows = {});

}  // namespace rein
