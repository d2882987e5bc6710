// Whole files in, behind a cap on size. (Out: tensor/io/atomic_file.h.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace rein::data {

inline constexpr std::size_t max_file_bytes = std::size_t{1} << 29;

// std::runtime_error naming the file when it is missing, no regular file, unreadable, or larger than `limit` bytes.
std::vector<std::uint8_t> read_file(const std::filesystem::path& path, std::size_t limit = max_file_bytes);
// Its first `count` bytes, or all of a shorter one.
std::vector<std::uint8_t> read_beginning(const std::filesystem::path& path, std::size_t count);
// Its last `count` bytes, or all of a shorter one.
std::vector<std::uint8_t> read_end(const std::filesystem::path& path, std::size_t count);
// Lines without their ends (LF or CRLF).
std::vector<std::string> read_lines(const std::filesystem::path& path);

}  // namespace rein::data
