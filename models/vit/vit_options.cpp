#include "models/vit/vit_options.h"

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

}  // namespace rein::models
