// CUDA kernel behind tensor/ops/sampling/random_points.h: the signature of random_points_cpu.h, with device addresses.
#pragma once

#include <cstdint>

namespace rein::ops::cuda {

void random_points(const std::int64_t* table, std::int64_t rows, std::int64_t count, float* points);

}  // namespace rein::ops::cuda
