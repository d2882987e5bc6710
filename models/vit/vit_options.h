// What tells the plain ViTs apart. Head count and eps cannot be read from a file's shapes; everything else can.
#pragma once

#include <cstdint>

#include "nn/block.h"

namespace rein::models {

// How the position grid reaches another image size.
enum class PositionResize {
  bicubic,            // a = -0.75, size given
  bicubic_offset,     // a = -0.75, factor (n + 0.1) / g given: the original DINOv2 code
  bicubic_antialias,  // a = -0.5, antialiased: timm, DINOv2 with registers
};

struct VitOptions {
  std::int64_t patch = 16;
  std::int64_t grid_height = 14, grid_width = 14;  // of pos_embed, in patches
  std::int64_t dim = 768, depth = 12, heads = 12;
  std::int64_t mlp_hidden = 0;  // 0: 4 dim, or DINOv2's rounding for swiglu
  nn::MlpKind mlp = nn::MlpKind::gelu;
  bool qkv_bias = true;
  bool layer_scale = false;
  double layer_scale_init = 1e-5;
  double eps = 1e-6;
  bool class_token = true;
  std::int64_t registers = 0;  // between class token and patches, without position
  PositionResize position_resize = PositionResize::bicubic;
  bool final_norm = true;   // norm.* exists; feature maps never pass through it
  bool mask_token = false;  // exists in DINOv2's files, unused
  double drop_path = 0;     // probability of the last block; grows linearly from 0 at the first

  std::int64_t hidden() const;  // mlp_hidden resolved
  std::int64_t prefix() const { return (class_token ? 1 : 0) + registers; }
};

// Width, depth and heads of the usual sizes; everything else as timm's AugReg models (patch 16, 14x14, no LayerScale).
VitOptions vit_tiny();
VitOptions vit_small();
VitOptions vit_base();
VitOptions vit_large();
VitOptions vit_giant();  // DINOv2's g: 1536 wide, 40 blocks, 24 heads

// DINOv2's rules on a size: LayerScale, mask token, position_resize by offset (antialiased with registers). `grid` is
// the side of its position grid. `swiglu`: giant's MLP.
VitOptions dinov2(VitOptions size, std::int64_t patch = 14, std::int64_t grid = 37, std::int64_t registers = 0,
                  bool swiglu = false);

}  // namespace rein::models
