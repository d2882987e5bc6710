// CPU kernel behind tensor/ops/assignment.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

namespace rein::ops::cpu {

// One image: cost (queries, slots), present (slots) -> slot_of (queries), -1 = none. Returns how many elements were
// bad.
std::int64_t assign(const double* cost, const std::uint8_t* present, std::int64_t queries, std::int64_t slots,
                    std::int64_t* slot_of);

}  // namespace rein::ops::cpu
