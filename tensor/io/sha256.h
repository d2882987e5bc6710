// SHA-256 (FIPS 180-4): the fingerprint that ties a checkpoint to the backbone file it was trained on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace rein {

class Sha256 {
 public:
  Sha256();
  void update(const void* data, std::size_t bytes);
  std::string hex();  // of all bytes so far, 64 lower-case digits; ends the computation (a later call is an error)

 private:
  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, 64> block_{};
  std::size_t filled_ = 0;  // bytes waiting in block_
  std::uint64_t total_ = 0;
  bool ended_ = false;
};

std::string sha256(std::span<const std::byte> bytes);
std::string sha256(std::string_view text);
// Read in pieces, so any size. Throws std::runtime_error when the file cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

namespace sha256_detail {

// Takes `blocks` blocks of 64 bytes into the state. Both give the same result; the second needs its instructions.
void compress_plain(std::uint32_t* state, const std::uint8_t* data, std::size_t blocks);
void compress_x86(std::uint32_t* state, const std::uint8_t* data, std::size_t blocks);
bool has_x86();  // this build and this machine have the SHA instructions

extern const std::array<std::uint32_t, 64> round_constants;

}  // namespace sha256_detail

}  // namespace rein
