#include "data/images/image_io.h"

#include <algorithm>

#include "data/images/file.h"
#include "tensor/error.h"
#include "tensor/io/atomic_file.h"

namespace rein::data {
namespace {

bool is_png(std::span<const std::uint8_t> bytes) {
  static constexpr std::uint8_t magic[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  return bytes.size() >= sizeof(magic) && std::equal(std::begin(magic), std::end(magic), bytes.begin());
}

bool is_jpeg(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

void write_bytes(const std::filesystem::path& path, const std::vector<std::uint8_t>& bytes) {
  write_file_atomically(path, std::as_bytes(std::span(bytes)));
}

}  // namespace

Image read_photo(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  if (is_jpeg(bytes)) return decode_jpeg(bytes, path.string());
  if (is_png(bytes)) return decode_png_photo(bytes, path.string());
  fail_runtime("image", path.string(), ": neither a JPEG nor a PNG file (", bytes.size(), " bytes)");
}

RawPng read_png_raw(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  if (!is_png(bytes)) fail_runtime("image", path.string(), ": not a PNG file (", bytes.size(), " bytes)");
  return decode_png_raw(bytes, path.string());
}

void write_gray_png(const std::filesystem::path& path, const LabelMap& ids) {
  write_bytes(path, encode_png(ids.height, ids.width, 1, ids.ids.data()));
}

void write_palette_png(const std::filesystem::path& path, const LabelMap& ids, std::span<const Rgb> palette) {
  require(!palette.empty() && palette.size() <= 256, "write_palette_png", "needs 1 to 256 colours, got ",
          palette.size());
  for (const std::uint8_t id : ids.ids)
    require(id < palette.size(), "write_palette_png", "id ", int{id}, " has no colour among ", palette.size());
  write_bytes(path, encode_png(ids.height, ids.width, 1, ids.ids.data(), palette));
}

void write_rgb_png(const std::filesystem::path& path, const Image& image) {
  require(image.channels == 3, "write_rgb_png", "needs 3 channels, got ", image.channels);
  write_bytes(path, encode_png(image.height, image.width, 3, image.pixels.data()));
}

}  // namespace rein::data
