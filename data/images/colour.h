// Pictures of label maps.
#pragma once

#include <span>

#include "data/images/image.h"

namespace rein::data {

// Colour of each id; ids without one (ignore_id) are black.
Image colourise(const LabelMap& labels, std::span<const Rgb> palette);
// photo * (1 - opacity) + colour * opacity; pixels whose id has no colour keep the photo. Sizes must agree.
Image overlay(const Image& photo, const LabelMap& labels, std::span<const Rgb> palette, double opacity = 0.5);

}  // namespace rein::data
