// The plain loops of group_norm, for cases and tests.
#pragma once

#include "tensor/tensor.h"

namespace rein::testing {

// x is (N, ..., C) f64; statistics over the places and C / groups channels of each group.
Tensor group_norm_loops(const Tensor& x, const Tensor& weight, const Tensor& bias, std::int64_t groups, double eps);

}  // namespace rein::testing
