// The kernels behind random_points.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

REIN_KERNELS(
    // table (rows, 3): key, stream and first point of each row -> points (rows, count, 2).
    void random_points(const std::int64_t* table, std::int64_t rows, std::int64_t count, float* points);)

}  // namespace rein::ops
