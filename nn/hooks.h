// Where an adapter reaches into a transformer block. A block calls these when it is given hooks; the defaults change
// nothing.
#pragma once

#include "autograd/variable.h"
#include "tensor/ops/attention/rope.h"

namespace rein::nn {

enum class LinearSite { qkv, proj, fc1, fc2 };  // fc1 and fc2 are w12 and w3 in a gated MLP

// In mixed precision on CUDA, x and y of a linear layer may be bf16, and y of the MLP may be beside an f32 x: what a
// hook returns has y's dtype.
class BlockHooks {
 public:
  virtual ~BlockHooks() = default;
  // A linear layer of block `block` gave y from x (LoRA returns y + B A x).
  virtual Variable on_linear(int block, LinearSite site, const Variable& x, const Variable& y) const;
  // The MLP branch gave y (before LayerScale) from the residual stream x (AdaptFormer returns y + s up(relu(down(x)))).
  virtual Variable beside_mlp(int block, const Variable& x, const Variable& y) const;
  // The block's output: the residual stream x before the MLP's branch, and y after it was added (outside LayerScale).
  virtual Variable after_mlp(int block, const Variable& x, const Variable& y) const;
};

// Which block runs, and where its tokens lie. hooks may be null.
struct BlockSite {
  const BlockHooks* hooks = nullptr;
  int block = 0;
  ops::RopeTable rope{};                         // angles of the last rows, the patches; null: no rotary positions
  std::int64_t grid_height = 0, grid_width = 0;  // of the patches
  Variable linear(LinearSite site, const Variable& x, const Variable& y) const {
    return hooks == nullptr ? y : hooks->on_linear(block, site, x, y);
  }
  Variable mlp(const Variable& x, const Variable& y) const {
    return hooks == nullptr ? y : hooks->beside_mlp(block, x, y);
  }
  Variable output(const Variable& x, const Variable& y) const {
    return hooks == nullptr ? y : hooks->after_mlp(block, x, y);
  }
};

inline Variable BlockHooks::on_linear(int, LinearSite, const Variable&, const Variable& y) const {
  return y;
}
inline Variable BlockHooks::beside_mlp(int, const Variable&, const Variable& y) const {
  return y;
}
inline Variable BlockHooks::after_mlp(int, const Variable&, const Variable& y) const {
  return y;
}

}  // namespace rein::nn
