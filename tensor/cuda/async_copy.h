// Copies from device memory to shared memory that pass by the registers and that nobody waits for until
// wait_for_copies, with plain twins. Included by .cu files.
#pragma once

#include "tensor/cuda/packed.h"
#include "tensor/cuda/shared_place.h"

namespace rein::cuda {

// 16 bytes between addresses at multiples of 16; zeros where `real` is false, and then `from` is not read.
template <class T>
__device__ void copy_async(SharedPlace<T> to, const T* from, bool real) {
#ifdef __CUDA_ARCH__
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to.at), "l"(from), "r"(real ? 16 : 0) : "memory");
#else
  constexpr int count = packed_count<T>;
  store_packed(real ? load_packed<T, count>(from) : Packed<T, count>{}, pointer_to(to));
#endif
}

// All copies of this thread so far. A barrier then shows them to the block.
__device__ inline void wait_for_copies() {
#ifdef __CUDA_ARCH__
  asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

}  // namespace rein::cuda
