// What the room works on: photos as u8 RGB, labels as u8 train ids.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace rein::data {

using Rgb = std::array<std::uint8_t, 3>;

// Rows, columns and channels, interleaved (H, W, C); three channels are R, G, B.
struct Image {
  int height = 0;
  int width = 0;
  int channels = 3;
  std::vector<std::uint8_t> pixels;

  Image() = default;
  Image(int h, int w, int c = 3)
      : height(h), width(w), channels(c), pixels(std::size_t(h) * std::size_t(w) * std::size_t(c)) {}
  std::size_t pitch() const { return std::size_t(width) * std::size_t(channels); }
  std::uint8_t* row(int y) { return pixels.data() + std::size_t(y) * pitch(); }
  const std::uint8_t* row(int y) const { return pixels.data() + std::size_t(y) * pitch(); }
};

// One id per pixel (H, W).
struct LabelMap {
  int height = 0;
  int width = 0;
  std::vector<std::uint8_t> ids;

  LabelMap() = default;
  LabelMap(int h, int w, std::uint8_t id = 0) : height(h), width(w), ids(std::size_t(h) * std::size_t(w), id) {}
  std::uint8_t* row(int y) { return ids.data() + std::size_t(y) * std::size_t(width); }
  const std::uint8_t* row(int y) const { return ids.data() + std::size_t(y) * std::size_t(width); }
};

struct Size {
  int height = 0;
  int width = 0;
  bool operator==(const Size&) const = default;
};

}  // namespace rein::data
