// Cutting a map into square windows and putting it together again: attention inside windows (SAM).
//   window_partition  x (N, H, W, C) -> (N * rows * cols, side * side, C), rows = ceil(H / side), cols = ceil(W /
//   side);
//                     images, windows and the places in a window are row-major. Places outside the map, at bottom and
//                     right, hold `fill` (C), or zero when it is null.
//   window_merge      back to (N, H, W, C); what lies outside the map is dropped.
// Equal PyTorch calls: pad, then view(N, rows, side, cols, side, C).permute(0, 1, 3, 2, 4, 5).reshape; and its inverse.
// f32 or f64. Copies, bit for bit; only the gradient of `fill` has arithmetic: a sum in double, in a fixed order.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

Tensor window_partition(const Tensor& x, std::int64_t side, const Tensor& fill = {});
Tensor window_merge(const Tensor& windows, std::int64_t height, std::int64_t width, std::int64_t side);

// Gradient of `fill`, (C): the sum of grad_windows over all places outside a map of (height, width).
Tensor window_fill_backward(const Tensor& grad_windows, std::int64_t height, std::int64_t width, std::int64_t side);

}  // namespace rein::ops
