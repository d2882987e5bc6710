// For the files of this room that call CUDA's code: whether it is part of the build, and the doors' one line for both
// devices. Never in a header: REIN_WITH_CUDA is set for those files alone, so that a build with CUDA and one without
// differ in them and in nothing else. (Everybody else asks device_info.h's built_with_cuda.)
#pragma once

#include "tensor/cuda/runtime.h"

namespace rein::cuda {

#ifdef REIN_WITH_CUDA
constexpr bool built = true;  // cuda:: is called only under `if constexpr (cuda::built)`
#else
constexpr bool built = false;
#endif

}  // namespace rein::cuda

// One call for both devices: kernels of one op have the same signature in cpu:: and cuda::.
//   REIN_ON_DEVICE(x.device(), layer_norm<T>(x.data<T>(), …));
#define REIN_ON_DEVICE(device, ...)    \
  do {                                 \
    if constexpr (rein::cuda::built) { \
      if ((device).is_cuda()) {        \
        cuda::__VA_ARGS__;             \
        break;                         \
      }                                \
    }                                  \
    cpu::__VA_ARGS__;                  \
  } while (false)
