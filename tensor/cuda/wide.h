// Values in memory may be narrower than what a kernel computes with. Included by .cu files.
#pragma once

#include <type_traits>

#include "tensor/half.h"

namespace rein::cuda {

// As a kernel computes with it: bf16 as f32, all else as it is.
REIN_HOST_DEVICE inline float wide(bf16_t v) {
  return to_float(v);
}
REIN_HOST_DEVICE inline float wide(float v) {
  return v;
}
REIN_HOST_DEVICE inline double wide(double v) {
  return v;
}

// As memory of type To holds it, rounded to nearest even.
template <class To, class T>
REIN_HOST_DEVICE To narrow(T v) {
  if constexpr (std::is_same_v<To, bf16_t>)
    return to_bf16(v);
  else
    return v;
}

}  // namespace rein::cuda
