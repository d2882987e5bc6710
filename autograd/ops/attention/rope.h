// Differentiable rotary position embedding. Shapes, formula and the equal PyTorch code: tensor/ops/attention/rope.h.
#pragma once

#include "autograd/variable.h"
#include "tensor/ops/attention/rope.h"

namespace rein {

// x (N, L, C) -> like x: the last rows of each (L, C) matrix (as many as the table has), their first `columns` columns.
Variable rope(const Variable& x, const ops::RopeTable& table, std::int64_t columns);

}  // namespace rein
