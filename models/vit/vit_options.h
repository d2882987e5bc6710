// What tells the plain ViTs apart. Head count and eps cannot be read from a file's shapes; everything else can.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "nn/block.h"

namespace rein::models {

// How the position grid reaches another image size.
enum class PositionResize {
  bicubic,            // a = -0.75, size given
  bicubic_offset,     // a = -0.75, factor (n + 0.1) / g given: the original DINOv2 code
  bicubic_antialias,  // a = -0.5, antialiased: timm, DINOv2 with registers
  bilinear,           // the official Rein's CLIP
};

// Rotary positions of the patches' queries and keys, the same in every block. Which coordinates and pairs:
// models/vit/rope_table.h.
enum class RopeKind { none, eva02, dinov3 };

struct VitRope {
  RopeKind kind = RopeKind::none;
  double theta = 10000;
  std::int64_t reference_grid = 16;  // eva02: any grid is stretched to the coordinates of one with this side
};

// CLIP: how the tokens are made, and what they pass before the blocks.
struct VitStem {
  bool patch_bias = true;
  bool pre_norm = false;               // norm_pre.*, over the class token and the patches
  std::int64_t class_token_times = 1;  // the official Rein's CLIP adds it twice: with the token, and with its position
};

// SAM: attention over the map with relative positions, in windows except in some blocks.
struct VitWindows {
  std::int64_t side = 14;                     // in patches; 0: every block sees the whole map
  std::vector<std::int64_t> global_blocks{};  // these do in any case
  std::int64_t table_grid = 0;                // side of the map their tables are for; 0: the position grid's
  bool global(std::int64_t block) const;
};

struct VitOptions {
  std::int64_t patch = 16;
  std::int64_t grid_height = 14, grid_width = 14;  // of pos_embed, in patches; without one, of the usual image
  std::int64_t dim = 768, depth = 12, heads = 12;
  std::int64_t mlp_hidden = 0;  // 0: 4 dim, or DINOv2's rounding for swiglu
  nn::MlpKind mlp = nn::MlpKind::gelu;
  bool mlp_norm = false;  // a LayerNorm inside the gated MLP: EVA-02 base and large
  nn::QkvBias qkv_bias = nn::QkvBias::qkv;
  bool layer_scale = false;
  double layer_scale_init = 1e-5;
  double eps = 1e-6;
  bool class_token = true;
  std::int64_t registers = 0;  // between class token and patches, without position
  bool position_table = true;  // pos_embed exists
  PositionResize position_resize = PositionResize::bicubic;
  VitRope rope{};
  VitStem stem{};
  std::optional<VitWindows> windows{};
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

// CLIP's rules on a size: a LayerNorm before the blocks, no bias in the patch embedding, QuickGELU, eps 1e-5, no final
// norm on patches. `rein`: as the official Rein runs it (bilinear positions, class token twice).
VitOptions clip(VitOptions size, std::int64_t patch = 14, std::int64_t grid = 16, bool rein = false);

// SAM's image encoder: B, L or H by the depth (12, 24, 32), windows of 14 except in every fourth part's last block, no
// class token, no final norm. `grid` is the side of its position grid.
VitOptions sam(VitOptions size, std::int64_t patch = 16, std::int64_t grid = 64);
VitOptions vit_huge();  // SAM's H: 1280 wide, 32 blocks, 16 heads

// EVA-02's rules on a size: a position table and rotary positions, no key bias, a gated MLP of 8/3 of the width, which
// has a norm inside in base and large. `grid` is the side of its position grid.
VitOptions eva02(VitOptions size, std::int64_t patch = 14, std::int64_t grid = 16, bool mlp_norm = true);

// DINOv3's rules on a size: rotary positions only, four registers, LayerScale, no key bias, eps 1e-5. `gated`: the MLP
// of S+ and H+. Its images usually have `grid` patches a side; nothing depends on it.
VitOptions dinov3(VitOptions size, std::int64_t patch = 16, std::int64_t grid = 14, bool gated = false);

}  // namespace rein::models
