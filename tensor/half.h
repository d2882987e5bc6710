// Conversions between f32 and the two 16-bit floats, round to nearest even, NaN kept NaN. For the host and kernels.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/host_device.h"

namespace rein {

REIN_HOST_DEVICE inline float to_float(bf16_t v) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(v.bits) << 16);
}

REIN_HOST_DEVICE inline bf16_t to_bf16(float v) {
#ifdef __CUDA_ARCH__
  std::uint16_t rounded;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(rounded) : "f"(v));
  return {rounded};
#else
  std::uint32_t bits = __builtin_bit_cast(std::uint32_t, v);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return {static_cast<std::uint16_t>((bits >> 16) | 0x40u)};
  bits += 0x7FFFu + ((bits >> 16) & 1u);
  return {static_cast<std::uint16_t>(bits >> 16)};
#endif
}

// Without branches, so that a loop of it becomes vector code.
REIN_HOST_DEVICE inline float to_float(f16_t v) {
  const std::uint32_t sign = static_cast<std::uint32_t>(v.bits & 0x8000u) << 16;
  const std::uint32_t magnitude = static_cast<std::uint32_t>(v.bits & 0x7FFFu) << 13;
  // The exponent's bias differs by 112; the product is exact, for subnormal numbers too.
  const std::uint32_t finite = __builtin_bit_cast(std::uint32_t, __builtin_bit_cast(float, magnitude) * 0x1p112f);
  return __builtin_bit_cast(float, sign | ((v.bits & 0x7C00u) == 0x7C00u ? magnitude | 0x7F800000u : finite));
}

REIN_HOST_DEVICE inline f16_t to_f16(float v) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, v);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return {static_cast<std::uint16_t>(sign | 0x7E00u)};
  if (magnitude >= 0x477FF000u) return {static_cast<std::uint16_t>(sign | 0x7C00u)};  // rounds to infinity
  if (magnitude < 0x38800000u) {  // subnormal result: adding 0.5 leaves the rounded mantissa in the low bits
    const float shifted = __builtin_bit_cast(float, magnitude) + 0.5f;
    return {static_cast<std::uint16_t>(sign | (__builtin_bit_cast(std::uint32_t, shifted) - 0x3F000000u))};
  }
  const std::uint32_t rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
  return {static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13))};
}

}  // namespace rein
