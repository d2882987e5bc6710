// The linear map of one axis of a resize: which inputs each output reads, and with what weight.
// Host code only; kernels get the arrays. The transposed map is the backward of the axis.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/ops/sampling/resize.h"

namespace rein::ops {

struct AxisTaps {
  std::vector<std::int64_t> start;  // outputs + 1 entries: taps [start[i], start[i + 1]) belong to output i
  std::vector<std::int32_t> index;  // input of each tap
  std::vector<double> weight;
};

// `inputs` -> `outputs` along one axis; step 0: inputs / outputs.
AxisTaps taps_along(Interpolation mode, std::int64_t inputs, std::int64_t outputs, double step, bool align_corners);
// From outputs back to `inputs`: for each input the outputs that read it, in ascending order.
AxisTaps transposed(const AxisTaps& taps, std::int64_t inputs);

}  // namespace rein::ops
