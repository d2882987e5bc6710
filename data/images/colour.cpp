#include "data/images/colour.h"

#include <array>
#include <cmath>

#include "tensor/error.h"

namespace rein::data {

Image colourise(const LabelMap& labels, std::span<const Rgb> palette) {
  Image out(labels.height, labels.width, 3);
  for (std::size_t i = 0; i < labels.ids.size(); ++i) {
    const std::uint8_t id = labels.ids[i];
    const Rgb colour = id < palette.size() ? palette[id] : Rgb{};
    for (std::size_t c = 0; c < 3; ++c) out.pixels[3 * i + c] = colour[c];
  }
  return out;
}

Image overlay(const Image& photo, const LabelMap& labels, std::span<const Rgb> palette, double opacity) {
  require(photo.channels == 3 && photo.height == labels.height && photo.width == labels.width, "overlay", "photo of ",
          photo.height, " x ", photo.width, " x ", photo.channels, " and labels of ", labels.height, " x ",
          labels.width, " must have one size, and the photo 3 channels");
  require(opacity >= 0 && opacity <= 1, "overlay", "opacity must be 0 to 1, got ", opacity);
  Image out = photo;
  const int weight = static_cast<int>(std::lrint(opacity * 256));
  for (std::size_t i = 0; i < labels.ids.size(); ++i) {
    const std::uint8_t id = labels.ids[i];
    if (id >= palette.size()) continue;
    for (std::size_t c = 0; c < 3; ++c) {
      std::uint8_t& p = out.pixels[3 * i + c];
      p = static_cast<std::uint8_t>((p * (256 - weight) + palette[id][c] * weight + 128) >> 8);
    }
  }
  return out;
}

}  // namespace rein::data
