// From what each sample sees to its colour and its label.
#pragma once

#include <vector>

#include "data/scenes/build/world.h"
#include "data/scenes/render/camera.h"
#include "data/scenes/render/light.h"
#include "data/scenes/render/raster.h"

namespace rein::data::scenes {

// One entry per sample, rows first.
struct Samples {
  int width = 0, height = 0;
  std::vector<Colour> colour;
  std::vector<std::uint8_t> label;
  std::vector<float> nearness;
  std::vector<std::int32_t> part;    // equal for samples of one surface: where it differs, a pen draws
  std::vector<std::uint8_t> ground;  // 1: flat ground, which may be wet
};

Samples shade(const World& world, const Street& street, const Style& style, const Light& light, const Camera& camera,
              Draw draw);

}  // namespace rein::data::scenes
