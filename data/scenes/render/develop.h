// From samples to the photo and its labels: pen, resolution, mirrors, weather in the air, sensor.
#pragma once

#include "data/images/image.h"
#include "data/scenes/render/shade.h"

namespace rein::data::scenes {

inline constexpr int samples_per_side = 2;  // a pixel is the mean of 2 x 2 samples

// Linear light, one entry per pixel.
struct Picture {
  int width = 0, height = 0;
  std::vector<Colour> pixels;
  std::vector<float> wet;  // part of the pixel that is flat ground

  Colour& at(int y, int x) {
    return pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)];
  }
};

// Outlines and paper (Style::pen), before samples are averaged.
void draw_with_pen(Samples& samples, const Pen& pen, Draw draw);
// `labels` has the size of the photo. A pixel's label is what most of its samples see; of two equally strong, the
// nearer one.
Picture resolve(const Samples& samples, LabelMap& labels);
// Ground mirrors, bloom, rain, snowflakes, blur.
void add_weather(Picture& picture, const Style& style, const Light& light, const Camera& camera, Draw draw);
// Exposure, colours, vignette, noise, 8 bits.
Image expose(const Picture& picture, const Style& style, Draw draw);

}  // namespace rein::data::scenes
