// The kernels behind assignment.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

REIN_KERNELS(
    // cost (images, queries, slots), present (images, slots) -> slot_of (images, queries), -1 = none, and bad (images):
    // how many elements were bad.
    void assign(const double* cost, const std::uint8_t* present, std::int64_t images, std::int64_t queries,
                std::int64_t slots, std::int64_t* slot_of, std::int64_t* bad);)

}  // namespace rein::ops
