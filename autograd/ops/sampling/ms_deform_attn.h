// Differentiable multi-scale deformable attention. Shapes and formulas: tensor/ops/sampling/ms_deform_attn.h.
#pragma once

#include <vector>

#include "autograd/variable.h"
#include "tensor/ops/sampling/ms_deform_attn.h"

namespace rein {

// value (N, S, heads*d), locations (N, Q, heads, levels, points, 2), weights (N, Q, heads, levels, points)
// -> (N, Q, heads*d).
Variable ms_deform_attn(const Variable& value, const std::vector<ops::LevelShape>& levels, const Variable& locations,
                        const Variable& weights);

// reference (N, Q, levels, 2) + offsets (N, Q, heads, levels, points, 2) / (width, height) of the level -> like
// offsets.
Variable sampling_locations(const Variable& offsets, const Variable& reference,
                            const std::vector<ops::LevelShape>& levels);

}  // namespace rein
