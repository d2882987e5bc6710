// Tiny models of the families with rotary positions: small widths, heads of 4 channels, H != W in the images.
#pragma once

#include "models/cases/tiny.h"

namespace rein::testing {

// EVA-02: position table of 3x3, coordinates of a 3x3 grid, no key bias, gated MLP with a norm.
inline models::VitOptions tiny_eva02() {
  models::VitOptions size;
  size.dim = 12;
  size.depth = 4;
  size.heads = 3;
  models::VitOptions vit = models::eva02(size, 4, 3);
  vit.mlp_hidden = 20;
  vit.eps = 1e-2;
  vit.rope.reference_grid = 3;
  return vit;
}

// DINOv3: four registers, rotary positions only, no key bias, LayerScale.
inline models::VitOptions tiny_dinov3() {
  models::VitOptions size;
  size.dim = 16;
  size.depth = 4;
  size.heads = 2;
  models::VitOptions vit = models::dinov3(size, 4, 3);
  vit.mlp_hidden = 20;
  vit.layer_scale_init = 0.5;
  vit.eps = 1e-2;
  return vit;
}

inline models::SegmentorOptions tiny_segmentor_of(const models::VitOptions& vit, const std::string& method) {
  models::SegmentorOptions options = tiny_segmentor(method);
  options.vit = vit;
  return options;
}

}  // namespace rein::testing
