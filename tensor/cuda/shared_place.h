// A place in the block's dynamic shared memory in 32 bits, so that fixed steps from it become parts of instructions.
// Included by .cu files.
#pragma once

#include <cstdint>

#include "tensor/cuda/kernel.h"

namespace rein::cuda {

template <class T>
struct SharedPlace {
  std::uint32_t at;  // in bytes

  __device__ SharedPlace operator+(int elements) const {
    return {at + static_cast<std::uint32_t>(elements) * static_cast<std::uint32_t>(sizeof(T))};
  }
};

template <class T>
__device__ SharedPlace<T> shared_place(const T* pointer) {
#ifdef __CUDA_ARCH__
  return {static_cast<std::uint32_t>(__cvta_generic_to_shared(pointer))};
#else
  const auto* start = dynamic_shared<unsigned char>();
  return {static_cast<std::uint32_t>(reinterpret_cast<const unsigned char*>(pointer) - start)};
#endif
}

#ifndef __CUDA_ARCH__
template <class T>
__device__ T* pointer_to(SharedPlace<T> place) {  // for plain twins
  return reinterpret_cast<T*>(dynamic_shared<unsigned char>() + place.at);
}
#endif

}  // namespace rein::cuda
