// Procedural street scenes: a photo and exact labels from (style, seed, index) alone.
#pragma once

#include <cstdint>

#include "data/images/image.h"
#include "data/scenes/styles/style.h"

namespace rein::data::scenes {

struct Scene {
  Image image;      // (H, W, 3) u8 RGB
  LabelMap labels;  // train ids of the Cityscapes classes; 255: bonnet of the own car, litter bins
};

inline constexpr int min_side = 16, max_side = 2048;  // pixels; the largest scene takes half a gigabyte

// std::invalid_argument when a side is out of [min_side, max_side].
void check_size(Size size);

// Scene `index` of `seed`: the same bits whatever was rendered before, on any thread. In another style it is the same
// street (its camera, light and colours are the style's). Work and memory grow with the pixels; 128 x 128 takes some
// 10 ms. Serial; safe on several threads. std::invalid_argument: as check_size, or a negative index.
Scene render(const Style& style, std::uint64_t seed, std::int64_t index, Size size);

}  // namespace rein::data::scenes
