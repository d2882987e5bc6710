// The plain loops of shape ops, for cases and tests.
#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace rein::testing {

// Element by element, for every dtype.
Tensor permute_loops(const Tensor& x, const std::vector<int>& axes);
Tensor slice_loops(const Tensor& x, int axis, std::int64_t begin, std::int64_t end);

}  // namespace rein::testing
