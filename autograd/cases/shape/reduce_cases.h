// The plain loops of reductions, for cases and tests.
#pragma once

#include <functional>
#include <vector>

#include "tensor/tensor.h"

namespace rein::testing {

// fold(values along the axis) for every place of the other axes.
Tensor reduce_loops(const Tensor& x, int axis, const std::function<double(const std::vector<double>&)>& fold);

double plain_sum(const std::vector<double>& values);

}  // namespace rein::testing
