// What a file's first bytes say of it, before anything is decoded: its true kind, whatever its name claims, and of a
// photo the size as stored and the EXIF orientation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/images/image.h"

namespace rein::data {

enum class PictureKind { unknown, jpeg, png, webp, bmp, tiff, gif, heic, avif, jpeg_xl, jpeg_2000, psd, openexr, pdf };

// "JPEG", "HEIC", …; empty of unknown.
std::string_view name_of(PictureKind kind);
PictureKind kind_of(std::span<const std::uint8_t> bytes);
// Whether read_photo reads it in this build (WebP and TIFF ask for their libraries).
bool can_read(PictureKind kind);
// By suffix, in any case: the kind that a file of this name should be; unknown of other suffixes.
PictureKind kind_by_suffix(const std::filesystem::path& file);
// Spellings of its suffixes: ".jpg", ".JPG", ".Jpg", ".jpeg", …
std::vector<std::string> suffixes_of(PictureKind kind);
// "JPEG, PNG, BMP, WebP": what can_read allows.
std::string readable_kinds();

// EXIF's ways to turn a stored picture to what viewers show: 1 as it is, 2 mirrored, 3 turned by half, 4 both, 5 to
// 8 with rows and columns exchanged (6 and 8: a camera that stood upright).
struct PhotoHeader {
  PictureKind kind = PictureKind::unknown;
  Size stored;          // 0 x 0 where the bytes do not tell
  int orientation = 1;  // 1 to 8; damaged EXIF counts as 1

  Size shown() const { return orientation > 4 ? Size{stored.width, stored.height} : stored; }
};
// Of a whole file, or of as many of its first bytes as there are. Never throws for what the bytes are.
PhotoHeader header_of(std::span<const std::uint8_t> bytes);
// Reads only the file's beginning. std::runtime_error when it cannot be read or is empty.
PhotoHeader read_photo_header(const std::filesystem::path& file);

// The picture as viewers show it. std::invalid_argument unless 1 <= orientation <= 8.
Image turned(Image image, int orientation);

}  // namespace rein::data
