#include "tensor/io/sha256.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <vector>

#include "tensor/cpu_features.h"
#include "tensor/error.h"

namespace rein {
namespace sha256_detail {

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
const std::array<std::uint32_t, 64> round_constants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

namespace {

std::uint32_t big_endian_32(const std::uint8_t* p) {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}

// One round on eight variables that rotate their names from round to round, so that nothing has to be moved.
inline void round(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t& d, std::uint32_t e, std::uint32_t f,
                  std::uint32_t g, std::uint32_t& h, std::uint32_t constant_and_word) {
  const std::uint32_t sum1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
  const std::uint32_t sum0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
  const std::uint32_t t = h + sum1 + (g ^ (e & (f ^ g))) + constant_and_word;
  d += t;
  h = t + sum0 + ((a & b) | (c & (a | b)));
}

}  // namespace

void compress_plain(std::uint32_t* state, const std::uint8_t* data, std::size_t blocks) {
  for (; blocks != 0; --blocks, data += 64) {
    std::uint32_t w[16];
    for (int i = 0; i < 16; ++i) w[i] = big_endian_32(data + 4 * i);
    std::uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    std::uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
#pragma GCC unroll 4
    for (int first = 0; first < 64; first += 16) {
      const std::uint32_t* k = &round_constants[static_cast<std::size_t>(first)];
      const auto word = [&](int i) {
        if (first != 0) {
          const std::uint32_t x = w[(i + 1) & 15], y = w[(i + 14) & 15];
          w[i] += (std::rotr(x, 7) ^ std::rotr(x, 18) ^ (x >> 3)) + w[(i + 9) & 15] +
                  (std::rotr(y, 17) ^ std::rotr(y, 19) ^ (y >> 10));
        }
        return k[i] + w[i];
      };
#pragma GCC unroll 2
      for (int i = 0; i < 16; i += 8) {
        round(a, b, c, d, e, f, g, h, word(i));
        round(h, a, b, c, d, e, f, g, word(i + 1));
        round(g, h, a, b, c, d, e, f, word(i + 2));
        round(f, g, h, a, b, c, d, e, word(i + 3));
        round(e, f, g, h, a, b, c, d, word(i + 4));
        round(d, e, f, g, h, a, b, c, word(i + 5));
        round(c, d, e, f, g, h, a, b, word(i + 6));
        round(b, c, d, e, f, g, h, a, word(i + 7));
      }
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
  }
}

}  // namespace sha256_detail

namespace {

void compress(std::uint32_t* state, const std::uint8_t* data, std::size_t blocks) {
  static const bool fast = sha256_detail::has_x86() && isa_name() != "plain";
  fast ? sha256_detail::compress_x86(state, data, blocks) : sha256_detail::compress_plain(state, data, blocks);
}

}  // namespace

Sha256::Sha256()
    : state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19} {}

void Sha256::update(const void* data, std::size_t bytes) {
  require(!ended_, "sha256", "update after the digest was taken");
  if (bytes == 0) return;
  const auto* from = static_cast<const std::uint8_t*>(data);
  total_ += bytes;
  if (filled_ != 0) {
    const std::size_t taken = std::min(bytes, block_.size() - filled_);
    std::memcpy(block_.data() + filled_, from, taken);
    filled_ += taken;
    from += taken;
    bytes -= taken;
    if (filled_ < block_.size()) return;
    compress(state_.data(), block_.data(), 1);
    filled_ = 0;
  }
  compress(state_.data(), from, bytes / 64);
  filled_ = bytes % 64;
  if (filled_ != 0) std::memcpy(block_.data(), from + bytes - filled_, filled_);
}

std::string Sha256::hex() {
  require(!ended_, "sha256", "the digest was taken before");
  const std::uint64_t bits = total_ * 8;
  // A one bit, zeros, and the length in bits as the last 8 bytes of a block.
  std::array<std::uint8_t, 72> padding{0x80};
  const std::size_t zeros_end = (filled_ < 56 ? 56 : 120) - filled_;
  for (std::size_t i = 0; i < 8; ++i) padding[zeros_end + i] = static_cast<std::uint8_t>(bits >> (56 - 8 * i));
  update(padding.data(), zeros_end + 8);
  ended_ = true;
  std::string text;
  for (const std::uint32_t word : state_) {
    for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[(word >> shift) & 15];
  }
  return text;
}

std::string sha256(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes.data(), bytes.size());
  return hash.hex();
}

std::string sha256(std::string_view text) {
  return sha256(std::as_bytes(std::span(text)));
}

std::string sha256_of_file(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail_runtime("sha256", path.string(), ": cannot open: ", std::strerror(errno));
  Sha256 hash;
  std::vector<std::uint8_t> buffer(std::size_t{1} << 18);  // stays in the cache between read and hash
  struct stat info {};
  int error = ::fstat(fd, &info) != 0 ? errno : S_ISREG(info.st_mode) ? 0 : EINVAL;
  while (error == 0) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got == 0) break;
    if (got > 0) hash.update(buffer.data(), static_cast<std::size_t>(got));
    if (got < 0 && errno != EINTR) error = errno;
  }
  ::close(fd);
  if (error == EINVAL) fail_runtime("sha256", path.string(), ": is not a regular file");
  if (error != 0) fail_runtime("sha256", path.string(), ": cannot read: ", std::strerror(error));
  return hash.hex();
}

}  // namespace rein
