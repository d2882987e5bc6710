// Differentiable shape operations. All but view and split_rows copy.
#pragma once

#include <vector>

#include "autograd/variable.h"

namespace rein {

Variable view(const Variable& x, const Shape& shape);  // shares storage
Variable permute(const Variable& x, const std::vector<int>& axes);
Variable concat(const std::vector<Variable>& parts, int axis);
// One node, several outputs; outputs nobody uses count as zero in its one gradient buffer.
std::vector<Variable> split(const Variable& x, int axis, const std::vector<std::int64_t>& sizes);
// split along axis 0 without a copy: the parts share x's storage (row ranges of a packed weight).
std::vector<Variable> split_rows(const Variable& x, const std::vector<std::int64_t>& sizes);
Variable slice(const Variable& x, int axis, std::int64_t begin, std::int64_t end);
// (1, ...) -> (n, ...): repeats the first dimension; the gradient sums over it.
Variable expand(const Variable& x, std::int64_t n);

Variable nchw_to_nhwc(const Variable& x);
Variable nhwc_to_nchw(const Variable& x);

}  // namespace rein
