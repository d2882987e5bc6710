// stb_image trusts more than a file from outside deserves: it calls a file that was cut off a success, writes past its
// arrays for a Huffman table of more than 256 codes (2.27), and reads memory it never set. So the segments are walked
// first and bad tables refused, memory starts as zeros, and its assertions are exceptions.
#include <cstdlib>
#include <memory>
#include <stdexcept>

#include "data/images/image_io.h"
#include "tensor/error.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS 32768
#define STBI_MALLOC(bytes) std::calloc(1, bytes)
#define STBI_REALLOC(p, bytes) std::realloc(p, bytes)
#define STBI_FREE(p) std::free(p)
#define STBI_ASSERT(x) ((x) ? void() : throw std::logic_error(#x))
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wshadow"
#include "stb_image.h"
#pragma GCC diagnostic pop

namespace rein::data {
namespace {

// What is wrong with the tables of one DHT segment, or null.
const char* fault_of_table_segment(std::span<const std::uint8_t> body) {
  while (!body.empty()) {
    if (body.size() < 17 || (body[0] >> 4) > 1 || (body[0] & 15) > 3) return "bad Huffman table header";
    std::size_t count = 0;
    std::uint32_t used = 0;  // of the 2^16 codes of 16 bits
    for (std::size_t length = 1; length <= 16; ++length) {
      count += body[length];
      used += std::uint32_t{body[length]} << (16 - length);
    }
    if (count > 256 || used > 65536) return "a Huffman table has more codes than there are";
    if (body.size() < 17 + count) return "a Huffman table is cut off";
    const bool dc = body[0] >> 4 == 0;
    for (std::size_t i = 0; dc && i < count; ++i)
      if (body[17 + i] > 15) return "a Huffman table names differences of more than 15 bits";
    body = body.subspan(17 + count);
  }
  return nullptr;
}

// Walks the marker segments up to the end-of-image marker: what is wrong, or null.
const char* fault_of(std::span<const std::uint8_t> bytes) {
  std::size_t i = 2;
  while (i + 1 < bytes.size()) {
    const bool at_marker = bytes[i] == 0xFF && bytes[i + 1] != 0xFF;
    if (!at_marker) {  // entropy-coded data, fill bytes
      ++i;
      continue;
    }
    const std::uint8_t marker = bytes[i + 1];
    i += 2;
    if (marker == 0xD9) return nullptr;
    const bool bare = marker == 0x00 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8);
    if (bare) continue;
    if (i + 2 > bytes.size()) break;
    const std::size_t length = std::size_t(bytes[i]) << 8 | bytes[i + 1];
    if (length < 2) return "a segment has no length";
    if (i + length > bytes.size()) break;
    if (marker == 0xC4) {
      if (const char* fault = fault_of_table_segment(bytes.subspan(i + 2, length - 2))) return fault;
    }
    i += length;
  }
  return "truncated (no end-of-image marker)";
}

}  // namespace

Image decode_jpeg(std::span<const std::uint8_t> bytes, const std::string& name) {
  const int length = static_cast<int>(bytes.size());  // read_file caps a file at 2^29 bytes
  if (const char* fault = fault_of(bytes)) fail_runtime("jpeg", name, ": ", fault);
  int width = 0, height = 0, channels = 0;
  if (!stbi_info_from_memory(bytes.data(), length, &width, &height, &channels)) {
    fail_runtime("jpeg", name, ": ", stbi_failure_reason());
  }
  if (width > max_image_side || height > max_image_side || std::int64_t{width} * height > max_image_pixels) {
    fail_runtime("jpeg", name, ": ", width, " x ", height, " pixels are more than the reader allows (",
                 max_image_pixels, ")");
  }
  std::unique_ptr<stbi_uc, decltype(&std::free)> pixels(nullptr, &std::free);
  try {
    pixels.reset(stbi_load_from_memory(bytes.data(), length, &width, &height, &channels, 3));
  } catch (const std::logic_error& assertion) {
    fail_runtime("jpeg", name, ": corrupt (", assertion.what(), ")");
  }
  if (!pixels) fail_runtime("jpeg", name, ": ", stbi_failure_reason());
  Image image;
  image.height = height;
  image.width = width;
  image.pixels.assign(pixels.get(), pixels.get() + std::size_t(width) * std::size_t(height) * 3);
  return image;
}

}  // namespace rein::data
