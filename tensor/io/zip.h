// The table of contents of a zip archive whose entries are stored uncompressed, as PyTorch writes them. Internal to
// tensor/io. Nothing is unpacked: an entry is a range of the file's bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace rein::zip {

struct Entry {
  std::size_t begin = 0;  // of the data, in bytes from the start of the file
  std::size_t size = 0;
  int method = 0;  // 0: stored; anything else cannot be read in place
};

inline constexpr std::string_view local_mark = "PK\x03\x04";

// Reads the central directory (zip64 included) and each entry's local header. `file` is for error texts, which begin
// with [pth]. Throws std::runtime_error for a file that is cut, for counts, sizes or offsets outside of the file,
// entries that overlap or share a name, several disks, and encryption. Check sums are not compared.
std::map<std::string, Entry> read_directory(std::span<const std::byte> bytes, const std::string& file);

// CRC-32 as zip has it, of more bytes after those that gave `before`.
std::uint32_t crc32(std::uint32_t before, std::span<const std::byte> bytes);

}  // namespace rein::zip
