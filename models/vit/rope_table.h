// The angles of rotary positions. For the patch at row r, column c of an (h, w) grid and heads of width d, with n = d/4
// frequencies f_i = theta^(-i/n), the d/2 angles are [Y f_0 … Y f_(n-1), X f_0 … X f_(n-1)], the row's part first:
//   eva02   Y = r/h * reference_grid, X = c/w * reference_grid  (indices at the grid it was trained on); theta 10000
//   dinov3  Y = 2 pi (2 (r + 1/2)/h - 1), X likewise of c and w (pixel centres, each axis by its own size); theta 100
// eva02 pairs neighbouring channels, dinov3 the halves of a head.
#pragma once

#include "models/vit/vit_options.h"
#include "tensor/ops/attention/rope.h"

namespace rein::models {

// (h*w, d/2), made in f64 and rounded once to `dtype`. d must be a multiple of 4. Null for RopeKind::none.
ops::RopeTable rope_table(const VitRope& rope, std::int64_t h, std::int64_t w, std::int64_t head_dim, DType dtype);

}  // namespace rein::models
