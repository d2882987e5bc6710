// Differentiable normalisations. Shapes, formulas and the equal PyTorch calls: the headers of tensor/ops/norm/.
#pragma once

#include <optional>

#include "autograd/variable.h"
#include "tensor/ops/norm/softmax.h"

namespace rein {

// x (..., C), weight (C), bias (C) -> like x, or in the dtype `out` (bf16 for f32 on CUDA).
Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias, double eps,
                    std::optional<DType> out = {});

// x (N, H, W, C), weight (C), bias (C) -> like x. Groups are consecutive channels; C must be a multiple of `groups`.
Variable group_norm(const Variable& x, const Variable& weight, const Variable& bias, std::int64_t groups, double eps);

// Over the last dimension, always: softmax(x), or softmax(x, {.factor = f}) of f x.
using ops::SoftmaxOptions;
Variable softmax(const Variable& x, SoftmaxOptions options = {});
Variable log_softmax(const Variable& x);

}  // namespace rein
