// Photos and label PNGs. JPEG is decoded by libjpeg-turbo (stb_image in a build without it), PNG by libpng, WebP by
// libwebp, TIFF by libtiff, BMP here; all behind caps on size, all from memory.
// Every fault of a file (missing, truncated, corrupt, too large, of another kind) is a std::runtime_error with its
// name.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "data/images/header.h"
#include "data/images/image.h"

namespace rein::data {

// Larger images are refused before anything is allocated for them.
inline constexpr int max_image_side = 32768;
inline constexpr std::int64_t max_image_pixels = std::int64_t{1} << 27;

// A PNG's samples as stored: palette indices stay indices, 1/2/4-bit samples are unpacked but not scaled.
struct RawPng {
  int height = 0;
  int width = 0;
  int channels = 1;  // 1 gray or index, 2 gray+alpha, 3 RGB, 4 RGBA
  bool sixteen_bit = false;
  bool indexed = false;
  std::vector<Rgb> palette;              // when indexed
  std::vector<std::uint8_t> samples8;    // (H, W, channels); empty when sixteen_bit
  std::vector<std::uint16_t> samples16;  // likewise, in the machine's byte order
};

// A picture known by its content (header.h lists the kinds), as RGB: gray is repeated, palettes are expanded, alpha is
// dropped, 16 bits are scaled to 8, inks are mixed.
struct StoredPhoto {
  Image image;          // as the file stores it
  PictureKind kind{};   // what the file is, whatever its name says
  int orientation = 1;  // how EXIF wants it turned (header.h)
};
StoredPhoto read_stored_photo(const std::filesystem::path& path);
// As viewers show it: the stored photo, turned.
Image read_photo(const std::filesystem::path& path);
RawPng read_png_raw(const std::filesystem::path& path);

// Written beside and renamed; a full disk is a std::runtime_error and leaves nothing (tensor/io/atomic_file.h).
void write_gray_png(const std::filesystem::path& path, const LabelMap& ids);
// At most 256 colours; an id without a colour is std::invalid_argument. Ids stay readable as palette indices.
void write_palette_png(const std::filesystem::path& path, const LabelMap& ids, std::span<const Rgb> palette);
void write_rgb_png(const std::filesystem::path& path, const Image& image);

// The codecs themselves; `name` is for error texts.
Image decode_jpeg(std::span<const std::uint8_t> bytes, const std::string& name);
Image decode_bmp(std::span<const std::uint8_t> bytes, const std::string& name);
Image decode_webp(std::span<const std::uint8_t> bytes, const std::string& name);  // in builds with libwebp
Image decode_tiff(std::span<const std::uint8_t> bytes, const std::string& name);  // in builds with libtiff
Image decode_png_photo(std::span<const std::uint8_t> bytes, const std::string& name);
RawPng decode_png_raw(std::span<const std::uint8_t> bytes, const std::string& name);
std::vector<std::uint8_t> encode_png(int height, int width, int channels, const std::uint8_t* samples,
                                     std::span<const Rgb> palette = {});

}  // namespace rein::data
