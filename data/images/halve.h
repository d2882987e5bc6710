// Halving photos and labels with Pillow's numbers: the published scores on Mapillary are of a set that was halved so
// beforehand. (Official: Image.resize to (w // 2, h // 2), BICUBIC for photos, NEAREST for labels.)
#pragma once

#include "data/images/image.h"

namespace rein::data {

// Sides rounded down, at least one pixel. std::invalid_argument for an empty picture.
Size half_size(Size size);

// Pillow's BICUBIC on u8: a = -0.5, widened by the factor (so it does not alias), columns before rows, 22-bit weights,
// u8 between the two passes. Any number of channels.
Image halve_photo(const Image& image);
// The pixel at floor((i + 0.5) n / m).
LabelMap halve_labels(const LabelMap& labels);

}  // namespace rein::data
