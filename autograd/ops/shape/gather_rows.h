// Differentiable choice of rows. Contract: tensor/ops/shape/gather_rows.h.
#pragma once

#include "autograd/variable.h"

namespace rein {

// x (N, L, C), index i64 (N, K) -> (N, K, C).
Variable gather_rows(const Variable& x, const Tensor& index);

}  // namespace rein
