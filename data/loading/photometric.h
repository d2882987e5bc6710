// mmseg's PhotoMetricDistortion on RGB images, with the numbers of OpenCV's u8 conversions (the rounding ones: OpenCV's
// vector code truncates where its plain code rounds, so it differs from itself by 1).
#pragma once

#include <optional>

#include "data/images/image.h"
#include "tensor/random.h"

namespace rein::data {

// u8 HSV with hue 0..179 (cv2.COLOR_BGR2HSV and back). In place; three channels.
void rgb_to_hsv(Image& image);
void hsv_to_rgb(Image& image);

// Every step is optional. Order: brightness, contrast if `contrast_first`, saturation, hue, contrast if not.
struct Photometric {
  std::optional<float> brightness;  // added
  std::optional<float> contrast;    // factor
  std::optional<float> saturation;  // factor
  std::optional<int> hue;           // added, modulo 180
  bool contrast_first = false;
};

// Brightness and contrast: f32, clipped to 0..255 and truncated to u8 after every step.
void apply_photometric(Image& image, const Photometric& p);

// Each step with probability 1/2: brightness in [-32, 32), factors in [0.5, 1.5), hue an integer in [-18, 17].
Photometric draw_photometric(const RandomKey& key);

}  // namespace rein::data
