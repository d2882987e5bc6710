// An op's kernels have one signature for both devices: declared once, inside namespace rein::ops, they are
// rein::ops::cpu::NAME (NAME_cpu.cpp) and rein::ops::cuda::NAME (NAME_cuda.cu), and REIN_ON_DEVICE (tensor/cuda/door.h)
// chooses. Types that both share stand before it, in rein::ops.
//   REIN_KERNELS(template <class T> void scale(const T* x, T factor, std::int64_t count, T* y);)
#pragma once

#define REIN_KERNELS(...) \
  namespace cpu {         \
  __VA_ARGS__             \
  }                       \
  namespace cuda {        \
  __VA_ARGS__             \
  }
