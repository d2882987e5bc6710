// Shared by the kinds that run Mask2Former: options, masks stored as bits, and the recorded decisions of a trajectory.
#pragma once

#include <string>

#include "models/heads/mask2former.h"
#include "train/verify/verify.h"

namespace rein::train {

// From a case's head configuration (golden README, section 6). in_channels per map; factors are left alone.
models::Mask2FormerOptions mask2former_options(const GoldenConfig& config);

// u8 (N, Q, ceil(keys / 8)), key j = bit j % 8 of byte j / 8 -> u8 (N, Q, keys). Throws std::runtime_error when the
// shape is not that.
Tensor unpack_mask(const Tensor& bits, const Shape& shape, const std::string& name);

// The decisions of step `step` on batch `batch`: recorded points always. In f64 masks, assignments and chosen points
// are made here and must come out as recorded; in f32 the recorded ones are taken. `file` and `compare` must outlive
// the result.
models::Mask2FormerDecisions trajectory_decisions(const GoldenFile& file, Comparison& compare, std::int64_t step,
                                                  std::int64_t batch, std::size_t predictions, std::int64_t images);

}  // namespace rein::train
