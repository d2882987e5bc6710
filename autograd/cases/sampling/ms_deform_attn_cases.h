// Sizes and sampling places that cases and tests of deformable attention share.
#pragma once

#include <string>
#include <vector>

#include "tensor/ops/sampling/ms_deform_attn.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

namespace rein::testing {

struct MsDeformSizes {
  std::int64_t n, queries, heads, width, points;
  std::vector<ops::LevelShape> levels;

  std::int64_t level_count() const { return static_cast<std::int64_t>(levels.size()); }
  Shape value() const { return {n, ops::tokens_of(levels), heads * width}; }
  Shape weights() const { return {n, queries, heads, level_count(), points}; }
  Shape locations() const { return {n, queries, heads, level_count(), points, 2}; }
  std::string text() const {
    std::string out = "value " + value().text() + ", weights " + weights().text() + ", levels";
    for (const auto& l : levels) out += " " + std::to_string(l.height) + "x" + std::to_string(l.width);
    return out;
  }
};

// Points inside and outside of the maps, at least 0.02 pixels away from lines through pixel centres: there the gradient
// jumps.
Tensor locations_between_centres(const MsDeformSizes& s, RandomKey key, DType dtype = DType::f64);

}  // namespace rein::testing
