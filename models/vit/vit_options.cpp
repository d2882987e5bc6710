#include "models/vit/vit_options.h"

#include <algorithm>

namespace rein::models {
namespace {

VitOptions sized(std::int64_t dim, std::int64_t depth, std::int64_t heads) {
  VitOptions options;
  options.dim = dim;
  options.depth = depth;
  options.heads = heads;
  return options;
}

}  // namespace

std::int64_t VitOptions::hidden() const {
  if (mlp_hidden > 0) return mlp_hidden;
  if (mlp != nn::MlpKind::swiglu) return 4 * dim;
  return (4 * dim * 2 / 3 + 7) / 8 * 8;  // two thirds of 4 C, rounded up to a multiple of 8
}

VitOptions vit_tiny() {
  return sized(192, 12, 3);
}
VitOptions vit_small() {
  return sized(384, 12, 6);
}
VitOptions vit_base() {
  return sized(768, 12, 12);
}
VitOptions vit_large() {
  return sized(1024, 24, 16);
}
VitOptions vit_giant() {
  return sized(1536, 40, 24);
}

VitOptions vit_huge() {
  return sized(1280, 32, 16);
}

bool VitWindows::global(std::int64_t block) const {
  return side == 0 || std::ranges::find(global_blocks, block) != global_blocks.end();
}

VitOptions clip(VitOptions size, std::int64_t patch, std::int64_t grid, bool rein) {
  size.patch = patch;
  size.grid_height = size.grid_width = grid;
  size.mlp = nn::MlpKind::quick_gelu;
  size.eps = 1e-5;
  size.final_norm = false;
  size.stem = {.patch_bias = false, .pre_norm = true, .class_token_times = rein ? 2 : 1};
  if (rein) size.position_resize = PositionResize::bilinear;
  return size;
}

VitOptions sam(VitOptions size, std::int64_t patch, std::int64_t grid) {
  size.patch = patch;
  size.grid_height = size.grid_width = grid;
  size.class_token = false;
  size.final_norm = false;
  size.windows = VitWindows{};
  for (std::int64_t quarter = 1; quarter <= 4; ++quarter)
    size.windows->global_blocks.push_back(quarter * size.depth / 4 - 1);
  return size;
}

VitOptions dinov2(VitOptions size, std::int64_t patch, std::int64_t grid, std::int64_t registers, bool swiglu) {
  size.patch = patch;
  size.grid_height = size.grid_width = grid;
  size.registers = registers;
  size.layer_scale = true;
  size.mask_token = true;
  size.position_resize = registers > 0 ? PositionResize::bicubic_antialias : PositionResize::bicubic_offset;
  if (swiglu) size.mlp = nn::MlpKind::swiglu;
  return size;
}

VitOptions eva02(VitOptions size, std::int64_t patch, std::int64_t grid, bool mlp_norm) {
  size.patch = patch;
  size.grid_height = size.grid_width = grid;
  size.mlp = nn::MlpKind::swiglu;
  size.mlp_hidden = size.dim * 8 / 3;  // rounded down: 2730 of 1024
  size.mlp_norm = mlp_norm;
  size.qkv_bias = nn::QkvBias::qv;
  size.final_norm = false;
  size.rope = {.kind = RopeKind::eva02, .theta = 10000, .reference_grid = 16};
  return size;
}

VitOptions dinov3(VitOptions size, std::int64_t patch, std::int64_t grid, bool gated) {
  size.patch = patch;
  size.grid_height = size.grid_width = grid;
  size.registers = 4;
  size.layer_scale = true;
  size.qkv_bias = nn::QkvBias::qv;
  size.eps = 1e-5;
  size.position_table = false;
  size.rope = {.kind = RopeKind::dinov3, .theta = 100};
  size.mlp_hidden = 4 * size.dim;
  if (gated) size.mlp = nn::MlpKind::swiglu;
  return size;
}

}  // namespace rein::models
