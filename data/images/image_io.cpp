#include "data/images/image_io.h"

#include <algorithm>

#include "data/images/file.h"
#include "data/images/header.h"
#include "tensor/error.h"
#include "tensor/io/atomic_file.h"

namespace rein::data {
namespace {

// "a WebP picture", or what else the bytes seem to be.
std::string description_of(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return "an empty file";
  const PictureKind kind = kind_of(bytes);
  if (kind != PictureKind::unknown) return concat_text("in truth ", name_of(kind));
  if (std::ranges::all_of(bytes, [](std::uint8_t b) { return b == 0; })) return "a file of zeros";
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 200));
  if (start.starts_with("version https://git-lfs")) return "a git-LFS pointer, the real file is elsewhere";
  if (start.find("<html") != start.npos || start.find("<!DOCTYPE") != start.npos) return "a web page";
  return concat_text("no picture that is known (", bytes.size(), " bytes)");
}

Image decode(std::span<const std::uint8_t> bytes, const std::string& name) {
  const PictureKind kind = kind_of(bytes);
  if (can_read(kind)) {
    switch (kind) {
      case PictureKind::jpeg:
        return decode_jpeg(bytes, name);
      case PictureKind::png:
        return decode_png_photo(bytes, name);
      case PictureKind::bmp:
        return decode_bmp(bytes, name);
#if REIN_WITH_WEBP
      case PictureKind::webp:
        return decode_webp(bytes, name);
#endif
#if REIN_WITH_TIFF
      case PictureKind::tiff:
        return decode_tiff(bytes, name);
#endif
      default:
        break;
    }
  }
  fail_runtime("image", name, ": ", description_of(bytes), "; this program reads ", readable_kinds());
}

void write_bytes(const std::filesystem::path& path, const std::vector<std::uint8_t>& bytes) {
  write_file_atomically(path, std::as_bytes(std::span(bytes)));
}

}  // namespace

StoredPhoto read_stored_photo(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  const PhotoHeader header = header_of(bytes);
  return {decode(bytes, path.string()), header.kind, header.orientation};
}

Image read_photo(const std::filesystem::path& path) {
  StoredPhoto photo = read_stored_photo(path);
  return turned(std::move(photo.image), photo.orientation);
}

RawPng read_png_raw(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  if (kind_of(bytes) != PictureKind::png)
    fail_runtime("image", path.string(), ": a label must be a PNG file, this is ", description_of(bytes));
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
