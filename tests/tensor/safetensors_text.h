// Bytes of small safetensors files, spelt out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rein::test {

inline std::string length_bytes(std::uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i) & 255);
  return bytes;
}

inline std::string safetensors_text(std::string_view header, std::string_view data) {
  return length_bytes(header.size()) + std::string(header) + std::string(data);
}

}  // namespace rein::test
