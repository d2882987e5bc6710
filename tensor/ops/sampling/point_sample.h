// POINT SAMPLING: reading maps at normalised points (x, y) in [0, 1]^2, x first. A point is read from a map of height h
// and width w at pixel coordinates (x w - 0.5, y h - 0.5), bilinearly, where pixels outside of the map count as zero.
// Equal PyTorch call: grid_sample(map, 2 * points - 1, mode="bilinear", padding_mode="zeros", align_corners=False).
// Points are f32 always (ours and recorded ones are exact in it); coordinates and weights are computed in the dtype of
// the result. A point farther than a pixel outside (or NaN) gives 0.
// Points of T rows are f32 (S, P, 2), where T is a multiple of S: S sets, each for T / S rows in turn (S = T: every row
// has its own); or (P, 2), one set for all.
// A row or image of -1 is absent (tensor/ops/loss/match_slots.h): it gives 0 at every point, and has no gradient.
// All inputs are on one device. Rows, images and classes on a GPU are not checked, because reading them back would stop
// the step: a row or image that does not exist gives NaN.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

// maps (..., h, w) f32 or f64, seen as M maps. rows i64 (T): which map row t reads, -1 = none; a map may be read by
// several. Null rows: T = M, each reads its own. -> (T, P) like maps.
Tensor point_sample(const Tensor& maps, const Tensor& rows, const Tensor& points);
// grad_out (T, P) -> maps_shape: grad_out times the four weights added at the four pixels, zero elsewhere. Rows of a
// map are added in ascending order by one task: the same bits for any number of threads.
Tensor point_sample_backward(const Tensor& grad_out, const Tensor& rows, const Tensor& points, const Shape& maps_shape);

// Point sampling of the 0/1 map "label == class" without making it. labels i64 or u8 (N, H, W); images, classes i64
// (T), an image of -1 is absent. -> (T, P), dtype f32 or f64. Fractions near class and image borders.
Tensor sample_label_mask(const Tensor& labels, const Tensor& images, const Tensor& classes, const Tensor& points,
                         DType dtype);
// The same classes of every image at its own points (N, P, 2), which reads the labels once: classes i64 (G), different
// ones, in [0, 256) -> (N, G, P).
Tensor sample_label_classes(const Tensor& labels, const Tensor& classes, const Tensor& points, DType dtype);

// The `count` elements of each row of x (T, C) with the smallest |x|, as indices i64 (T, count), ascending. Equal |x|:
// the lower index. NaN counts as infinite.
Tensor smallest_magnitudes(const Tensor& x, std::int64_t count);

}  // namespace rein::ops
