// Sizes and resizes of u8 images, with OpenCV's numbers (cv2.resize of u8, as mmcv.imresize calls it).
#pragma once

#include "data/images/image.h"

namespace rein::data {

// A part of a picture; it may reach beyond the picture's lower and right border (smaller then).
struct Window {
  int y = 0;
  int x = 0;
  int height = 0;
  int width = 0;
  bool operator==(const Window&) const = default;
};

// mmseg ResizeShortestEdge: the shorter side becomes `short_edge` unless the longer one would exceed `max_long_edge`.
Size shortest_edge_size(Size image, int short_edge, int max_long_edge);
// mmcv rescale_size / Resize(keep_ratio): the longer side fits the larger bound, the shorter the smaller bound.
Size keep_ratio_size(Size image, int bound_a, int bound_b);
// int(side * factor + 0.5), at least 1.
Size scaled_size(Size image, double factor);

// cv2.INTER_LINEAR with u8's fixed-point rule: 11-bit weights per axis, columns first, (r >> 4) * weight >> 16 for
// rows. Exactly halving both axes is the mean of 2 x 2 pixels. 1, 2, 3 or 4 channels. With a window: that part of the
// result, without computing the rest. std::invalid_argument for an empty image, size or window.
Image resize_bilinear(const Image& image, Size size);
Image resize_bilinear(const Image& image, Size size, Window window);
// cv2.INTER_NEAREST: source index floor(i * n / m), no half-pixel shift.
LabelMap resize_nearest(const LabelMap& labels, Size size);
LabelMap resize_nearest(const LabelMap& labels, Size size, Window window);

}  // namespace rein::data
