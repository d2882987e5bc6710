// Separable resampling of N,H,W,C maps: bilinear, bicubic (a = -0.75), antialiased bicubic (a = -0.5), nearest.
// Equal PyTorch call: torch.nn.functional.interpolate. With n inputs and m outputs per axis, `step` inputs per output:
//   given size    step = n / m                     (size=, or scale_factor= with recompute_scale_factor=True)
//   given factor  m = floor(n f), step = 1 / f      (scale_factor=: differs for odd n and f = 0.5)
// bilinear s = max((i + 0.5) step - 0.5, 0), taps floor(s), min(floor(s) + 1, n - 1); bicubic does not clamp s but
// every tap's index; nearest min(floor(i step), n - 1), where step and product are f32 as in PyTorch (its index decides
// when i step is a whole number); align_corners (bilinear, bicubic) s = i (n - 1) / (m - 1), 0 for m = 1.
// bicubic_antialias: z = max(step, 1), c = (i + 0.5) step, taps from max(int(c - 2 z + 0.5), 0) to
// min(int(c + 2 z + 0.5), n) - 1 with the kernel at (j - c + 0.5) / z, divided by their sum.
// Coordinates and weights are computed in double, then rounded to the tensor's dtype. Taps that the border clamps to
// one pixel are one tap with the sum of their weights. A tap of weight 0 still counts: NaN times 0 is NaN.
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

// The slow readable twin: every output pixel straight from the formulas above, summed in double.
// REIN_KERNEL=resize:reference puts it in the place of resize.
Tensor resize_reference(const Tensor& x, const ResizeOptions& options);

}  // namespace rein::ops
