// Small PNG files of any kind, built by hand: uncompressed deflate blocks, so that a test can also say what is broken.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/images/image.h"

namespace rein::test {

using Bytes = std::vector<std::uint8_t>;

inline void put32(Bytes& out, std::uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(v >> shift));
}

inline std::uint32_t crc32_of(const std::uint8_t* data, std::size_t count) {
  std::uint32_t crc = 0xFFFFFFFFu;
  for (std::size_t i = 0; i < count; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0u);
  }
  return ~crc;
}

inline void put_chunk(Bytes& out, const std::string& type, const Bytes& body) {
  put32(out, static_cast<std::uint32_t>(body.size()));
  const std::size_t start = out.size();
  out.insert(out.end(), type.begin(), type.end());
  out.insert(out.end(), body.begin(), body.end());
  put32(out, crc32_of(out.data() + start, out.size() - start));
}

// colour: 0 gray, 2 RGB, 3 palette, 4 gray+alpha, 6 RGBA. `rows`: each row's packed samples, big-endian.
inline Bytes make_png(std::uint32_t width, std::uint32_t height, int depth, int colour, const std::vector<Bytes>& rows,
                      const std::vector<data::Rgb>& palette = {}) {
  Bytes png = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'}, header;
  put32(header, width);
  put32(header, height);
  for (const int v : {depth, colour, 0, 0, 0}) header.push_back(static_cast<std::uint8_t>(v));
  put_chunk(png, "IHDR", header);
  if (!palette.empty()) {
    Bytes colours;
    for (const data::Rgb& c : palette) colours.insert(colours.end(), c.begin(), c.end());
    put_chunk(png, "PLTE", colours);
  }
  Bytes raw;
  for (const Bytes& row : rows) {
    raw.push_back(0);  // no filter
    raw.insert(raw.end(), row.begin(), row.end());
  }
  Bytes zlib = {0x78, 0x01};
  std::uint32_t a = 1, b = 0;
  for (const std::uint8_t v : raw) {
    a = (a + v) % 65521;
    b = (b + a) % 65521;
  }
  for (std::size_t at = 0; at == 0 || at < raw.size(); at += 65535) {
    const std::size_t count = std::min<std::size_t>(65535, raw.size() - at);
    zlib.push_back(at + count == raw.size());
    for (const std::size_t v : {count, ~count}) {
      zlib.push_back(static_cast<std::uint8_t>(v));
      zlib.push_back(static_cast<std::uint8_t>(v >> 8));
    }
    zlib.insert(zlib.end(), raw.begin() + static_cast<std::ptrdiff_t>(at),
                raw.begin() + static_cast<std::ptrdiff_t>(at + count));
  }
  put32(zlib, b << 16 | a);
  put_chunk(png, "IDAT", zlib);
  put_chunk(png, "IEND", {});
  return png;
}

inline std::string text_of(const Bytes& bytes) {
  return {bytes.begin(), bytes.end()};
}

// The message of what f throws; "" when it throws nothing.
template <class Error, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace rein::test
