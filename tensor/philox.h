// The arithmetic behind RandomKey (tensor/random.h), for the host and for kernels: the same bits on both.
#pragma once

#include <cstdint>

#include "tensor/host_device.h"

namespace rein {

struct PhiloxWords {
  std::uint32_t at[4];
};

// Philox 4x32-10.
REIN_HOST_DEVICE inline PhiloxWords philox_words(PhiloxWords c, std::uint32_t k0, std::uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c.at[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c.at[2];
    c = {{static_cast<std::uint32_t>(p1 >> 32) ^ c.at[1] ^ k0, static_cast<std::uint32_t>(p1),
          static_cast<std::uint32_t>(p0 >> 32) ^ c.at[3] ^ k1, static_cast<std::uint32_t>(p0)}};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

// Block `element` of the stream `stream` under `key`.
REIN_HOST_DEVICE inline PhiloxWords philox_block(std::uint64_t key, std::uint64_t stream, std::uint64_t element) {
  return philox_words({{static_cast<std::uint32_t>(element), static_cast<std::uint32_t>(element >> 32),
                        static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)}},
                      static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32));
}

// The finaliser of splitmix64: a bijection that spreads every input bit.
REIN_HOST_DEVICE inline std::uint64_t mix_bits(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// RandomKey's child(index), bits and uniform.
REIN_HOST_DEVICE inline std::uint64_t child_stream(std::uint64_t stream, std::uint64_t index) {
  return mix_bits(stream ^ mix_bits(index));
}
REIN_HOST_DEVICE inline std::uint64_t random_bits(std::uint64_t key, std::uint64_t stream, std::uint64_t element) {
  const PhiloxWords r = philox_block(key, stream, element);
  return (std::uint64_t{r.at[1]} << 32) | r.at[0];
}
REIN_HOST_DEVICE inline double random_unit(std::uint64_t key, std::uint64_t stream, std::uint64_t element) {
  return static_cast<double>(random_bits(key, stream, element) >> 40) * 0x1p-24;
}

}  // namespace rein
