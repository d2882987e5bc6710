// Differentiable normalisations. Shapes, formulas and the equal PyTorch calls: tensor/ops/norm/layer_norm.h,
// group_norm.h.
#pragma once

#include "autograd/variable.h"

namespace rein {

// x (..., C), weight (C), bias (C) -> like x, or in bf16 when `round`.
Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias, double eps, bool round = false);

// x (N, H, W, C), weight (C), bias (C) -> like x. Groups are consecutive channels; C must be a multiple of `groups`.
Variable group_norm(const Variable& x, const Variable& weight, const Variable& bias, std::int64_t groups, double eps);

}  // namespace rein
