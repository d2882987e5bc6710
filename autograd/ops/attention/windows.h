// Differentiable windows of a map. Contract: tensor/ops/attention/windows.h.
#pragma once

#include "autograd/variable.h"

namespace rein {

// x (N, H, W, C) -> (N * rows * cols, side * side, C). `fill` (C) or null (zero) stands where a window reaches beyond
// the map.
Variable window_partition(const Variable& x, std::int64_t side, const Variable& fill = {});
// Back to (N, height, width, C).
Variable window_merge(const Variable& windows, std::int64_t height, std::int64_t width, std::int64_t side);

}  // namespace rein
