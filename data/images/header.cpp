#include "data/images/header.h"

#include <algorithm>
#include <cctype>
#include <cstring>

#include "data/images/file.h"
#include "tensor/error.h"

namespace rein::data {
namespace {

using Bytes = std::span<const std::uint8_t>;

bool has_at(Bytes bytes, std::size_t place, std::string_view text) {
  return bytes.size() >= place + text.size() && std::memcmp(bytes.data() + place, text.data(), text.size()) == 0;
}

std::uint32_t big(Bytes b, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count && at + i < b.size(); ++i) value = value << 8 | b[at + i];
  return value;
}
std::uint32_t little(Bytes b, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count && at + i < b.size(); ++i) value |= std::uint32_t{b[at + i]} << (8 * i);
  return value;
}

constexpr std::pair<std::string_view, PictureKind> suffixes[] = {
    {".jpg", PictureKind::jpeg},    {".jpeg", PictureKind::jpeg},     {".jpe", PictureKind::jpeg},
    {".jfif", PictureKind::jpeg},   {".png", PictureKind::png},       {".webp", PictureKind::webp},
    {".bmp", PictureKind::bmp},     {".dib", PictureKind::bmp},       {".tif", PictureKind::tiff},
    {".tiff", PictureKind::tiff},   {".gif", PictureKind::gif},       {".heic", PictureKind::heic},
    {".heif", PictureKind::heic},   {".hif", PictureKind::heic},      {".avif", PictureKind::avif},
    {".jxl", PictureKind::jpeg_xl}, {".jp2", PictureKind::jpeg_2000}, {".j2k", PictureKind::jpeg_2000},
    {".psd", PictureKind::psd},     {".exr", PictureKind::openexr},
};

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

int as_side(std::uint32_t v) {
  return v <= 0x7fffffffu ? static_cast<int>(v) : 0;
}
Size size_of(std::uint32_t height, std::uint32_t width) {
  return {as_side(height), as_side(width)};
}

// The value of a number in the first directory of a TIFF structure, which is what EXIF is too; 0: not there.
std::uint32_t tag_in(Bytes tiff, std::uint32_t tag) {
  const bool is_little = has_at(tiff, 0, "II");
  if (tiff.size() < 8 || (!is_little && !has_at(tiff, 0, "MM"))) return 0;
  const auto number = [&](std::size_t at, std::size_t count) {
    return is_little ? little(tiff, at, count) : big(tiff, at, count);
  };
  const std::size_t directory = number(4, 4);
  if (directory + 2 > tiff.size()) return 0;
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + 12 * i;
    if (at + 12 > tiff.size()) return 0;
    if (number(at, 2) != tag) continue;
    return number(at + 8, number(at + 2, 2) == 4 ? 4 : 2);  // a LONG or a SHORT
  }
  return 0;
}

int orientation_in(Bytes tiff) {
  constexpr std::uint32_t tag = 0x0112;
  const std::uint32_t value = tag_in(tiff, tag);
  return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
}

int orientation_in_exif(Bytes body) {
  if (has_at(body, 0, std::string_view("Exif\0", 5)) && body.size() > 6) body = body.subspan(6);
  return orientation_in(body);
}

// Walks the segments up to the first frame header.
void read_jpeg(Bytes bytes, PhotoHeader& out) {
  bool oriented = false;
  for (std::size_t i = 2; i + 4 <= bytes.size();) {
    if (bytes[i] != 0xFF || bytes[i + 1] == 0xFF || bytes[i + 1] == 0) {  // fill bytes, junk
      ++i;
      continue;
    }
    const std::uint8_t marker = bytes[i + 1];
    if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) {
      i += 2;
      continue;
    }
    if (marker == 0xD9 || marker == 0xDA) return;
    const std::size_t length = big(bytes, i + 2, 2);
    if (length < 2) return;
    const Bytes body = bytes.subspan(i + 4, std::min(length - 2, bytes.size() - i - 4));
    if (marker == 0xE1 && !oriented && has_at(body, 0, "Exif")) {
      out.orientation = orientation_in_exif(body);
      oriented = true;
    }
    const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame && body.size() >= 5) {
      out.stored = size_of(big(body, 1, 2), big(body, 3, 2));
      return;  // EXIF stands before the frame
    }
    i += 2 + length;
  }
}

void read_png(Bytes bytes, PhotoHeader& out) {
  for (std::size_t i = 8; i + 8 <= bytes.size();) {
    const std::size_t length = big(bytes, i, 4);
    const Bytes body = bytes.subspan(i + 8, std::min(length, bytes.size() - i - 8));
    if (has_at(bytes, i + 4, "IHDR") && body.size() >= 8) out.stored = size_of(big(body, 4, 4), big(body, 0, 4));
    if (has_at(bytes, i + 4, "eXIf")) out.orientation = orientation_in_exif(body);
    i += 12 + length;
  }
}

void read_webp(Bytes bytes, PhotoHeader& out) {
  for (std::size_t i = 12; i + 8 <= bytes.size();) {
    const std::size_t length = little(bytes, i + 4, 4);
    const Bytes body = bytes.subspan(i + 8, std::min(length, bytes.size() - i - 8));
    if (has_at(bytes, i, "VP8X") && body.size() >= 10)
      out.stored = size_of(little(body, 7, 3) + 1, little(body, 4, 3) + 1);
    else if (has_at(bytes, i, "VP8 ") && body.size() >= 10 && out.stored == Size{})
      out.stored = size_of(little(body, 8, 2) & 0x3fff, little(body, 6, 2) & 0x3fff);
    else if (has_at(bytes, i, "VP8L") && body.size() >= 5 && out.stored == Size{})
      out.stored = size_of((little(body, 1, 4) >> 14 & 0x3fff) + 1, (little(body, 1, 4) & 0x3fff) + 1);
    else if (has_at(bytes, i, "EXIF"))
      out.orientation = orientation_in_exif(body);
    i += 8 + length + (length & 1);
  }
}

void read_bmp(Bytes bytes, PhotoHeader& out) {
  if (bytes.size() < 26) return;
  if (little(bytes, 14, 4) == 12) {  // OS/2: 16-bit sides
    out.stored = size_of(little(bytes, 20, 2), little(bytes, 18, 2));
    return;
  }
  const std::uint32_t height = little(bytes, 22, 4);  // negative: the rows begin at the top
  out.stored = size_of(height > 0x7fffffffu ? 0u - height : height, little(bytes, 18, 4));
}

// A box of the ISO base media format: HEIC, AVIF and their like differ in their brands.
PictureKind kind_of_media(Bytes bytes) {
  const std::size_t end = std::min<std::size_t>({bytes.size(), std::max<std::uint32_t>(big(bytes, 0, 4), 16), 64});
  for (const std::string_view brand : {"avif", "avis"})
    for (std::size_t at = 8; at + 4 <= end; at += 4)
      if (has_at(bytes, at, brand)) return PictureKind::avif;
  for (const std::string_view brand : {"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"})
    for (std::size_t at = 8; at + 4 <= end; at += 4)
      if (has_at(bytes, at, brand)) return PictureKind::heic;
  return PictureKind::unknown;
}

}  // namespace

std::string_view name_of(PictureKind kind) {
  static constexpr std::string_view names[] = {"",     "JPEG", "PNG",     "WebP",      "BMP", "TIFF",    "GIF",
                                               "HEIC", "AVIF", "JPEG XL", "JPEG 2000", "PSD", "OpenEXR", "PDF"};
  return names[static_cast<std::size_t>(kind)];
}

PictureKind kind_of(Bytes bytes) {
  static constexpr std::string_view png("\x89PNG\r\n\x1a\n", 8), jxl("\0\0\0\x0cJXL ", 8), jp2("\0\0\0\x0cjP  ", 8);
  if (has_at(bytes, 0, "\xff\xd8\xff")) return PictureKind::jpeg;
  if (has_at(bytes, 0, png)) return PictureKind::png;
  if (has_at(bytes, 0, "RIFF") && has_at(bytes, 8, "WEBP")) return PictureKind::webp;
  if (has_at(bytes, 0, "BM") && bytes.size() >= 26 && little(bytes, 14, 4) <= 124) return PictureKind::bmp;
  if (has_at(bytes, 0, std::string_view("II*\0", 4)) || has_at(bytes, 0, std::string_view("MM\0*", 4)) ||
      has_at(bytes, 0, std::string_view("II+\0", 4)) || has_at(bytes, 0, std::string_view("MM\0+", 4)))
    return PictureKind::tiff;
  if (has_at(bytes, 0, "GIF8")) return PictureKind::gif;
  if (has_at(bytes, 4, "ftyp")) return kind_of_media(bytes);
  if (has_at(bytes, 0, jxl) || has_at(bytes, 0, "\xff\x0a")) return PictureKind::jpeg_xl;
  if (has_at(bytes, 0, jp2) || has_at(bytes, 0, "\xff\x4f\xff\x51")) return PictureKind::jpeg_2000;
  if (has_at(bytes, 0, "8BPS")) return PictureKind::psd;
  if (has_at(bytes, 0, "\x76\x2f\x31\x01")) return PictureKind::openexr;
  if (has_at(bytes, 0, "%PDF")) return PictureKind::pdf;
  return PictureKind::unknown;
}

bool can_read(PictureKind kind) {
  switch (kind) {
    case PictureKind::jpeg:
    case PictureKind::png:
    case PictureKind::bmp:
      return true;
    case PictureKind::webp:
      return REIN_WITH_WEBP;
    case PictureKind::tiff:
      return REIN_WITH_TIFF;
    default:
      return false;
  }
}

PictureKind kind_by_suffix(const std::filesystem::path& file) {
  const std::string suffix = lower(file.extension().string());
  const auto* found = std::ranges::find(suffixes, suffix, &std::pair<std::string_view, PictureKind>::first);
  return found == std::end(suffixes) ? PictureKind::unknown : found->second;
}

std::vector<std::string> suffixes_of(PictureKind kind) {
  std::vector<std::string> out;
  for (const auto& [suffix, its_kind] : suffixes) {
    if (its_kind != kind) continue;
    std::string upper(suffix), capital(suffix);
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    capital[1] = upper[1];
    for (std::string text : {std::string(suffix), upper, capital}) out.push_back(std::move(text));
  }
  return out;
}

std::string readable_kinds() {
  std::string text;
  for (const PictureKind kind :
       {PictureKind::jpeg, PictureKind::png, PictureKind::bmp, PictureKind::webp, PictureKind::tiff})
    if (can_read(kind)) text.append(text.empty() ? "" : ", ").append(name_of(kind));
  return text;
}

PhotoHeader header_of(Bytes bytes) {
  PhotoHeader out;
  out.kind = kind_of(bytes);
  if (out.kind == PictureKind::jpeg) read_jpeg(bytes, out);
  if (out.kind == PictureKind::png) read_png(bytes, out);
  if (out.kind == PictureKind::webp) read_webp(bytes, out);
  if (out.kind == PictureKind::bmp) read_bmp(bytes, out);
  if (out.kind == PictureKind::tiff) {
    out.stored = size_of(tag_in(bytes, 257), tag_in(bytes, 256));
    out.orientation = orientation_in(bytes);
  }
  return out;
}

PhotoHeader read_photo_header(const std::filesystem::path& file) {
  // Mostly enough. A JPEG may have longer colour profiles before its frame; WebP and TIFF tell more at their end.
  for (std::size_t bytes = std::size_t{1} << 12;; bytes <<= 4) {
    const auto beginning = read_beginning(file, bytes);
    if (beginning.empty()) fail_runtime("image", file.string(), ": an empty file");
    const PhotoHeader header = header_of(beginning);
    const bool whole = beginning.size() < bytes;
    const bool at_end = header.kind == PictureKind::webp || header.kind == PictureKind::tiff;
    const bool told = !at_end && (header.kind != PictureKind::jpeg || header.stored.height > 0);
    if (whole || told || bytes >= std::size_t{1} << 28) return header;
  }
}

Image turned(Image image, int orientation) {
  require(orientation >= 1 && orientation <= 8, "turned", "orientation must be 1 to 8, got ", orientation);
  if (orientation == 1) return image;
  const bool exchanged = orientation > 4;
  // Whether the shown picture's rows and columns run against the stored ones.
  const bool down = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool right = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const int height = exchanged ? image.width : image.height, width = exchanged ? image.height : image.width;
  Image out(height, width, image.channels);
  const auto channels = static_cast<std::size_t>(image.channels);
  for (int y = 0; y < height; ++y) {
    const int from_y = down ? height - 1 - y : y;
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < width; ++x, to += channels) {
      const int from_x = right ? width - 1 - x : x;
      const std::uint8_t* from = exchanged ? image.row(from_x) + std::size_t(from_y) * channels
                                           : image.row(from_y) + std::size_t(from_x) * channels;
      std::memcpy(to, from, channels);
    }
  }
  return out;
}

}  // namespace rein::data
