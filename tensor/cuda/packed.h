// Neighbouring values that a thread reads and writes in one access. Included by .cu files.
#pragma once

#include <cstdint>

#include "tensor/cuda/kernel.h"

namespace rein::cuda {

template <class T, int n>
struct alignas(n * sizeof(T)) Packed {
  T at[n];
};

template <class T>
inline constexpr int packed_count = 16 / sizeof(T);  // of a full access of 16 bytes

template <class T, int n>
__device__ Packed<T, n> load_packed(const T* from) {
  return *reinterpret_cast<const Packed<T, n>*>(from);
}
template <class T, int n>
__device__ void store_packed(const Packed<T, n>& values, T* to) {
  *reinterpret_cast<Packed<T, n>*>(to) = values;
}

// Whether rows of `cols` elements can be accessed n at a time: all starts aligned. Null pointers do not matter.
template <int n, class... T>
bool packable(std::int64_t cols, const T*... starts) {
  return cols % n == 0 && (... && (reinterpret_cast<std::uintptr_t>(starts) % (n * sizeof(T)) == 0));
}

}  // namespace rein::cuda
