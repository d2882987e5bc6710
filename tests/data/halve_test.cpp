// Expected values: Pillow 13, Image.resize((w // 2, h // 2), BICUBIC or NEAREST) of the same formulas.
#include "data/images/halve.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "data/loading/transforms.h"

namespace rein::data {
namespace {

Image pattern(int h, int w) {
  Image image(h, w);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(i * i * 37 + i * 11 + i / 5 * 91);
  return image;
}
LabelMap counted(int h, int w, int factor, int modulus) {
  LabelMap labels(h, w);
  for (std::size_t i = 0; i < labels.ids.size(); ++i)
    labels.ids[i] = static_cast<std::uint8_t>(i * std::size_t(factor) % std::size_t(modulus));
  return labels;
}
std::uint64_t fnv1a(const std::vector<std::uint8_t>& bytes) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const std::uint8_t b : bytes) hash = (hash ^ b) * 0x100000001B3;
  return hash;
}
using Bytes = std::vector<std::uint8_t>;

}  // namespace

TEST_CASE("Halves have Pillow's numbers, even and odd sides") {
  CHECK(halve_photo(pattern(7, 9)).pixels == Bytes{116, 109, 125, 140, 173, 144, 127, 126, 134, 112, 84,  126,
                                                   120, 122, 154, 148, 103, 160, 161, 131, 132, 95,  169, 135,
                                                   148, 121, 143, 118, 119, 129, 103, 141, 69,  126, 131, 134});
  CHECK(halve_photo(pattern(6, 8)).pixels == Bytes{99,  79,  134, 158, 154, 141, 113, 192, 140, 136, 87,  132,
                                                   113, 116, 123, 107, 145, 149, 128, 114, 141, 145, 80,  152,
                                                   171, 159, 154, 121, 157, 139, 127, 134, 90,  141, 112, 194});
  CHECK(halve_labels(counted(7, 9, 1, 256)).ids == Bytes{10, 12, 14, 16, 28, 30, 32, 34, 46, 48, 50, 52});
  CHECK(halve_labels(counted(6, 8, 1, 256)).ids == Bytes{9, 11, 13, 15, 25, 27, 29, 31, 41, 43, 45, 47});
  const Image large = halve_photo(pattern(301, 446));
  CHECK(large.height == 150);
  CHECK(large.width == 223);
  CHECK(fnv1a(large.pixels) == 0xa10bf79b8f7aa98c);
  CHECK(fnv1a(halve_labels(counted(301, 446, 7919, 251)).ids) == 0x8633037b753edfc4);
}

TEST_CASE("Halving keeps constant pictures, works on one pixel, and comes before the other resize") {
  Image flat(9, 12);
  std::fill(flat.pixels.begin(), flat.pixels.end(), std::uint8_t{201});
  for (const std::uint8_t v : halve_photo(flat).pixels) CHECK(v == 201);
  CHECK(halve_photo(Image(1, 1)).pixels.size() == 3);
  CHECK(halve_labels(LabelMap(1, 5, 4)).ids == Bytes{4, 4});
  CHECK_THROWS_AS(halve_photo(Image()), std::invalid_argument);
  EvalResize how{.kind = EvalResize::Kind::keep_ratio, .bound_a = 20, .bound_b = 10, .halve = true};
  const Image ours = resize_for_evaluation(pattern(60, 80), how);
  CHECK(ours.pixels == resize_bilinear(halve_photo(pattern(60, 80)), {10, 13}).pixels);
}

}  // namespace rein::data
