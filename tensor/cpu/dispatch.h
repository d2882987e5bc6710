// Picks the run-time instruction set's kernel for a dtype: with HWY_EXPORT(name_f32) and HWY_EXPORT(name_f64) in reach,
// REIN_KERNEL_OF(T, name) is a function pointer. Look it up once per call, outside of the parallel loop.
#pragma once

#include <type_traits>

#include "hwy/highway.h"

#define REIN_KERNEL_OF(T, name)                \
  [] {                                         \
    if constexpr (std::is_same_v<T, float>)    \
      return HWY_DYNAMIC_DISPATCH(name##_f32); \
    else                                       \
      return HWY_DYNAMIC_DISPATCH(name##_f64); \
  }()
