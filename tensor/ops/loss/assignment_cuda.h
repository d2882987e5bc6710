// CUDA kernel behind tensor/ops/loss/assignment.h: the signature of assignment_cpu.h, with device addresses.
#pragma once

#include <cstdint>

namespace rein::ops::cuda {

void assign(const double* cost, const std::uint8_t* present, std::int64_t images, std::int64_t queries,
            std::int64_t slots, std::int64_t* slot_of, std::int64_t* bad);

}  // namespace rein::ops::cuda
