// The layer around multi-scale deformable attention. Equal official module: mmcv's MultiScaleDeformableAttention with
// batch_first=True and no dropout.
#pragma once

#include <vector>

#include "nn/linear.h"
#include "tensor/ops/sampling/ms_deform_attn.h"

namespace rein::nn {

struct MsDeformAttnOptions {
  std::int64_t dim = 256, heads = 8, levels = 3, points = 4;
};

struct MsDeformAttnInput {
  Variable query;                       // (N, Q, dim)
  Variable query_pos{};                 // like query, added to it for offsets and weights only; null: zero
  Variable value;                       // (N, S, dim), levels one after another
  Variable identity{};                  // like query, added to the result; null: the query without query_pos
  Variable reference_points;            // (N, Q, levels, 2), (x, y) in [0, 1]
  std::vector<ops::LevelShape> levels;  // of value
  Tensor key_padding_mask{};            // u8 (N, S), 1 = this token counts as zero; null: none
};

// Names sampling_offsets, attention_weights, value_proj, output_proj, each .weight and .bias. Start: no offsets but a
// ring of directions per head (point i at distance i + 1), equal weights, Xavier uniform projections.
class MsDeformAttn final : public Module {
 public:
  explicit MsDeformAttn(const MsDeformAttnOptions& options);
  Variable operator()(const MsDeformAttnInput& input) const;  // (N, Q, dim)

 private:
  MsDeformAttnOptions options_;
  Linear sampling_offsets_, attention_weights_, value_proj_, output_proj_;
};

}  // namespace rein::nn
