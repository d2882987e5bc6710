// Differentiable resampling of N,H,W,C maps. Rules per axis: tensor/ops/sampling/resize.h.
#pragma once

#include "autograd/variable.h"
#include "tensor/ops/sampling/resize.h"

namespace rein {

// x (N, H, W, C) -> (N, options' height, width, C).
Variable resize(const Variable& x, const ops::ResizeOptions& options);

}  // namespace rein
