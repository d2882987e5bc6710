// How the numbers of an f32 product are multiplied: an argument of matrix products and convolutions, never a global.
#pragma once

#include <cstdint>

#include "tensor/host_device.h"

namespace rein {

enum class Products {
  full,  // operands as they are
  // On CUDA: operands rounded to TF32 (10 bits of mantissa, the exponents of f32), tensor cores, sums in f32. On the
  // CPU and in f64: as full.
  tf32,
};

// The nearest TF32, ties to even; infinities and NaN stay.
REIN_HOST_DEVICE inline float to_tf32(float v) {
  std::uint32_t bits = __builtin_bit_cast(std::uint32_t, v);
  if ((bits & 0x7F800000u) != 0x7F800000u) bits = (bits + 0xFFFu + ((bits >> 13) & 1u)) & ~0x1FFFu;
  return __builtin_bit_cast(float, bits);
}

}  // namespace rein
