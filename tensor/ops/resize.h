// Separable resampling of N,H,W,C maps: bilinear, bicubic (a = -0.75), antialiased bicubic (a = -0.5), nearest.
// Equal PyTorch call: torch.nn.functional.interpolate. With n inputs and m outputs per axis, `step` inputs per output:
//   given size    step = n / m                     (size=, or scale_factor= with recompute_scale_factor=True)
//   given factor  m = floor(n f), step = 1 / f      (scale_factor=: differs for odd n and f = 0.5)
// bilinear s = max((i + 0.5) step - 0.5, 0), taps floor(s), min(floor(s) + 1, n - 1); bicubic does not clamp s but every
// tap's index; nearest floor(i step); align_corners s = i (n - 1) / (m - 1).
// Coordinates and weights are computed in double, then rounded to the tensor's dtype.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

enum class Interpolation { nearest, bilinear, bicubic, bicubic_antialias };

struct ResizeOptions {
  Interpolation mode = Interpolation::bilinear;
  std::int64_t height = 0, width = 0;  // output size, at least 1
  double step_y = 0, step_x = 0;       // inputs per output; 0: from the sizes
  bool align_corners = false;
};

// Size given.
ResizeOptions to_size(std::int64_t height, std::int64_t width, Interpolation mode = Interpolation::bilinear);
// Factor given, for an input of (in_height, in_width).
ResizeOptions by_factor(std::int64_t in_height, std::int64_t in_width, double factor_y, double factor_x,
                        Interpolation mode = Interpolation::bilinear);

// x (N, H, W, C) f32 or f64 -> (N, height, width, C).
Tensor resize(const Tensor& x, const ResizeOptions& options);
// Gradient for an x of shape `x_shape`. Gathers per input row and column: deterministic.
Tensor resize_backward(const Tensor& grad_out, const Shape& x_shape, const ResizeOptions& options);

}  // namespace rein::ops
