// Differentiable reductions. Sums are ordered: the same bits for any number of threads.
#pragma once

#include "autograd/variable.h"

namespace rein {

Variable sum(const Variable& x);                 // -> ()
Variable mean(const Variable& x);                // -> ()
Variable sum_axis(const Variable& x, int axis);  // the axis disappears
Variable mean_axis(const Variable& x, int axis);
Variable max_axis(const Variable& x, int axis);  // the gradient goes to the first maximal element; NaN wins

}  // namespace rein
