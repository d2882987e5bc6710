// stb_image reads what it can of a broken file and calls that success, so the markers are walked first: a file whose
// image does not end with an end-of-image marker was cut off.
#include <cstdlib>
#include <memory>

#include "data/image_io.h"
#include "tensor/error.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS 32768
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wshadow"
#include "stb_image.h"
#pragma GCC diagnostic pop

namespace rein::data {
namespace {

// True when the marker segments lead from the start to an end-of-image marker.
bool ends_properly(std::span<const std::uint8_t> bytes) {
  std::size_t i = 2;
  while (i + 1 < bytes.size()) {
    if (bytes[i] != 0xFF) {  // entropy-coded data (or junk between segments)
      ++i;
      continue;
    }
    const std::uint8_t marker = bytes[i + 1];
    if (marker == 0xFF) {  // fill byte
      ++i;
      continue;
    }
    i += 2;
    if (marker == 0xD9) return true;
    const bool bare = marker == 0x00 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8);
    if (bare) continue;
    if (i + 2 > bytes.size()) return false;
    i += std::size_t(bytes[i]) << 8 | bytes[i + 1];
  }
  return false;
}

}  // namespace

Image decode_jpeg(std::span<const std::uint8_t> bytes, const std::string& name) {
  const int length = static_cast<int>(bytes.size());  // read_file caps a file at 2^29 bytes
  int width = 0, height = 0, channels = 0;
  if (!stbi_info_from_memory(bytes.data(), length, &width, &height, &channels)) {
    fail_runtime("jpeg", name, ": ", stbi_failure_reason());
  }
  if (width > max_image_side || height > max_image_side || std::int64_t{width} * height > max_image_pixels) {
    fail_runtime("jpeg", name, ": ", width, " x ", height, " pixels are more than the reader allows (",
                 max_image_pixels, ")");
  }
  if (!ends_properly(bytes)) fail_runtime("jpeg", name, ": truncated (no end-of-image marker)");
  const std::unique_ptr<stbi_uc, decltype(&std::free)> pixels(
      stbi_load_from_memory(bytes.data(), length, &width, &height, &channels, 3), &std::free);
  if (!pixels) fail_runtime("jpeg", name, ": ", stbi_failure_reason());
  Image image;
  image.height = height;
  image.width = width;
  image.pixels.assign(pixels.get(), pixels.get() + std::size_t(width) * std::size_t(height) * 3);
  return image;
}

}  // namespace rein::data
