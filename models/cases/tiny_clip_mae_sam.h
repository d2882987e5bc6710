// Tiny CLIP, MAE and SAM encoders: every option on, H != W in the images.
#pragma once

#include "models/cases/tiny_families.h"

namespace rein::testing {

inline models::VitOptions tiny_size() {
  models::VitOptions size;
  size.dim = 12;
  size.depth = 4;
  size.heads = 3;
  size.mlp_hidden = 20;
  return size;
}

// Eps of order one hundredth: a wrong one would not show beside variances of order one.
inline models::VitOptions tiny_clip(bool rein = false) {
  models::VitOptions vit = models::clip(tiny_size(), 4, 3, rein);
  vit.eps = 1e-2;
  return vit;
}

inline models::VitOptions tiny_mae() {
  models::VitOptions vit = tiny_size();
  vit.patch = 4;
  vit.grid_height = vit.grid_width = 3;
  vit.eps = 1e-2;
  return vit;
}

// Windows of 2 in blocks 0 and 2, the whole map in 1 and 3.
inline models::VitOptions tiny_sam() {
  models::VitOptions vit = models::sam(tiny_size(), 4, 4);
  vit.windows = models::VitWindows{.side = 2, .global_blocks = {1, 3}};
  vit.eps = 1e-2;
  return vit;
}

}  // namespace rein::testing
