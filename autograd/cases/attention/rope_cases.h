// The table that cases and tests of rope share.
#pragma once

#include "tensor/ops/attention/rope.h"

namespace rein::testing {

// Angles of order one, different for every row and pair, so that no sine or cosine is near 0 or 1 throughout.
ops::RopeTable some_rope_table(std::int64_t rows, std::int64_t half, ops::RopePairs pairs, DType dtype);

}  // namespace rein::testing
