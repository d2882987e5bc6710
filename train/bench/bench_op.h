// Timing the registry's cases at real shapes, forward and backward, beside the machine's measured peaks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/cases/case.h"
#include "train/run/timing.h"

namespace rein::train {

struct BenchOp {
  std::string op, label;
  Timing forward, backward;     // backward.runs is 0 when the case has no gradient
  double flops = 0, bytes = 0;  // as the case declares them; 0: it does not
  bool cached = false;          // inputs and outputs fit the last-level cache: no GB/s of memory's
};

// Of this processor, in bytes; 0 where the system does not say.
double last_level_cache_bytes();

// Every case of `op` (those marked bench_only, or all of them if none is), in f32.
void bench_op(const std::string& op, double min_seconds, Device device,
              const std::function<void(const BenchOp&)>& report);

}  // namespace rein::train
