// Minimum-cost assignment of queries to targets in fixed slots (Hungarian matching), by shortest augmenting paths
// (Jonker and Volgenant 1987) on flat f64 arrays: O(min^2 max) per image, one column per lane in each inner loop.
// Equal SciPy call: scipy.optimize.linear_sum_assignment(cost[:, present]) (the cost is the same; which of several
// optimal assignments is chosen is our rule).
// Ties: targets (or, when there are fewer queries than targets, queries) are inserted in ascending order, and among
// columns at equal distance the lowest index is taken. Additions and comparisons only, so the result is the same on
// every device.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

struct Assignment {
  Tensor slots;  // i64 (N, Q): the slot of each query, -1 = none; min(Q, slots present) of them are set
  Tensor bad;    // i64 (N): elements of present slots that were NaN, infinite or beyond 1e200
};

// cost f64 (N, Q, K); present u8 (N, K): slot k of image n takes part. Absent slots are not read. Bad elements are
// replaced: NaN and +inf by L, -inf by -L, where L = 1e6 times the largest finite magnitude (at least 1).
// Both results are where the cost is: nothing is read back.
Assignment assignment(const Tensor& cost, const Tensor& present);

}  // namespace rein::ops
