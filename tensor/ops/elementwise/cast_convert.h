// One value in another dtype, for the host and for kernels; the rules stand in cast.h.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "tensor/half.h"

namespace rein::ops {

template <class T>
inline constexpr T least_of = std::numeric_limits<T>::min();
template <class T>
inline constexpr T most_of = std::numeric_limits<T>::max();

template <class T>
inline constexpr bool is_half = std::is_same_v<T, bf16_t> || std::is_same_v<T, f16_t>;

// What the language converts by itself: a half as float, everything else as it is.
template <class T>
REIN_HOST_DEVICE auto widened(T v) {
  if constexpr (is_half<T>)
    return to_float(v);
  else
    return v;
}

template <class To, class From>
REIN_HOST_DEVICE To convert(From v) {
  if constexpr (std::is_same_v<To, bf16_t>) {
    return to_bf16(static_cast<float>(v));
  } else if constexpr (std::is_same_v<To, f16_t>) {
    return to_f16(static_cast<float>(v));
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // Outside of the range the conversion is undefined in C++. Both bounds are powers of two (or 0), exact in From.
    constexpr To least = least_of<To>, most = most_of<To>;
    constexpr From low = static_cast<From>(least);
    constexpr From beyond = static_cast<From>(most / 2 + 1) * From{2};
    if (!(v > low - From{1})) return v == v ? least : To{0};
    if (v >= beyond) return most;
    return v < low ? least : static_cast<To>(v);
  } else {
    return static_cast<To>(v);
  }
}

}  // namespace rein::ops
