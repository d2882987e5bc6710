// Scores of overlapping windows of one picture, added in place and divided by how many windows saw each pixel.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

// sum (H, W, K) += window (h, w, K) with its first pixel at row y and column x of sum. f32 or f64, on one device.
// Windows are added one after the other: the same bits every time.
void add_window(Tensor& sum, const Tensor& window, std::int64_t y, std::int64_t x);
// sum (H, W, K) /= counts i64 (H, W), pixel by pixel.
void divide_by_counts(Tensor& sum, const Tensor& counts);

}  // namespace rein::ops
