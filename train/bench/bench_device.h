// What a device can do at best, measured, and the learners' levels of attention timed beside it.
#pragma once

#include <functional>

#include "tensor/device.h"
#include "train/run/timing.h"

namespace rein::train {

// GB/s of copying 1 GiB within a device's memory (bytes read plus bytes written).
double device_copy_gbytes(Device device);
// GFLOP/s of the library's products of 4096 x 4096 f32 and of 8192 x 8192 bf16 matrices of random numbers, on CUDA.
double device_f32_gflops(Device device);
double device_bf16_gflops(Device device);

struct BenchLevel {
  const char *name, *lesson;
  Timing time;
  double flops = 0;  // of one run
};
// The levels of tensor/ops/levels at 64 heads of 1025 tokens x 64; std::invalid_argument on the CPU.
void bench_levels(Device device, double min_seconds, const std::function<void(const BenchLevel&)>& report);

}  // namespace rein::train
