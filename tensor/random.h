// Counter-based random numbers (Philox 4x32-10; Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
// A number depends on its key and element alone, never on call order, thread or device.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tensor/tensor.h"

namespace rein {

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

// A place in the tree of random streams: RandomKey(seed).child(step).child("backbone.blocks.0") ...
class RandomKey {
 public:
  explicit RandomKey(std::uint64_t seed = 0) : key_(seed), stream_(0) {}
  RandomKey child(std::uint64_t index) const;
  RandomKey child(std::string_view name) const;

  std::uint64_t bits(std::uint64_t element) const;
  // [0, 1), a multiple of 2^-24 (exact in f32).
  double uniform(std::uint64_t element) const { return static_cast<double>(bits(element) >> 40) * 0x1p-24; }
  double uniform(std::uint64_t element, double low, double high) const { return low + (high - low) * uniform(element); }
  // [0, n), n >= 1, without the bias of a plain modulus beyond 2^-64.
  std::uint64_t below(std::uint64_t element, std::uint64_t n) const;
  // Standard normal (Box-Muller in double). CPU only: library functions differ between devices.
  double normal(std::uint64_t element) const;

  std::uint64_t key() const { return key_; }
  std::uint64_t stream() const { return stream_; }

 private:
  std::uint64_t key_;
  std::uint64_t stream_;
};

// Element i of the result is the key's number i.
Tensor random_uniform(RandomKey key, const Shape& shape, double low, double high, DType dtype = DType::f32);
Tensor random_normal(RandomKey key, const Shape& shape, double mean, double std, DType dtype = DType::f32);

}  // namespace rein
