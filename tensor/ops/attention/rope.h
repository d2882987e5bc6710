// Rotary position embedding: pairs of channels of every head, turned by the angles of their token's place.
// A head is d = 2 * cos.size(1) consecutive columns. With A the angle of cos[p][j] and sin[p][j], pair j of the p-th
// rotated row becomes
//   (u, v) -> (u cos A - v sin A, v cos A + u sin A)
// Equal PyTorch: x * cos + rot(x) * sin, rot(x) = stack(-v, u), as in EVA-02 (interleaved pairs) and DINOv3 (half).
// Numerics: f32 or f64 (on CUDA x may be bf16 beside f32 tables: computed in f32, rounded once), a product and a
// multiply-add per channel; the tables are constants. NaN propagates.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

enum class RopePairs {
  interleaved,  // pair j is columns (2j, 2j + 1) of a head
  half,         // columns (j, j + d/2)
};

// The angles, the same for all heads. Both (rows, d/2), of x's dtype (f32 for bf16). Null: no rotation.
struct RopeTable {
  Tensor cos, sin;
  RopePairs pairs = RopePairs::interleaved;
  explicit operator bool() const { return static_cast<bool>(cos); }
  RopeTable to(Device device) const { return {cos.to(device), sin.to(device), pairs}; }
};

// x (N, L, C) -> like x. The last cos.size(0) rows of each (L, C) matrix are rotated, in their first `columns` columns
// (a multiple of d; q and k of a packed qkv). All else (class and register tokens, v) is copied.
Tensor rope(const Tensor& x, const RopeTable& table, std::int64_t columns);
// The rotation by minus the angles: its own gradient and its inverse.
Tensor rope_backward(const Tensor& grad_out, const RopeTable& table, std::int64_t columns);

}  // namespace rein::ops
