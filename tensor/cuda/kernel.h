// The language of our .cu files. Included by them alone. nvcc compiles a file for the GPU; an ordinary compiler
// compiles the same file against emulate.h, and its kernels run on the CPU: so every kernel's index arithmetic, bounds,
// barriers and sums are tested where no GPU is.
//
// Rules that make this possible: kernels are started with `launch`, dynamic shared memory comes from `dynamic_shared`,
// barriers and warp exchanges are the *_sync ones and are reached by all threads they name, and what only a GPU has
// (tensor cores, asynchronous copies) stands behind a function with a plain twin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "tensor/error.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>

namespace rein::cuda {

cudaStream_t stream(int index);  // of the calling thread; never the default stream
int current_device();            // of the calling thread: where launch works

// Throws std::runtime_error naming the kernel when the last start failed; with REIN_CUDA_DEBUG=1 also waits for its
// end.
void check_launch(const char* kernel);
void count_launch(const char* kernel);                       // see cuda::launches
void prepare_shared(const void* kernel, std::size_t bytes);  // more than 48 KiB must be asked for

template <class... P>
void launch(const char* name, void (*kernel)(P...), dim3 grid, dim3 block, std::size_t shared_bytes,
            std::type_identity_t<P>... args) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  if (shared_bytes > 48 * 1024) prepare_shared(reinterpret_cast<const void*>(kernel), shared_bytes);
  count_launch(name);
  kernel<<<grid, block, shared_bytes, stream(current_device())>>>(args...);
  check_launch(name);
}

template <class T>
__device__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char rein_dynamic_shared[];
  return reinterpret_cast<T*>(rein_dynamic_shared);
}

}  // namespace rein::cuda
#else
#include "tensor/cuda/emulated/emulate.h"
#endif

namespace rein::cuda {

inline constexpr int warp_size = 32;
inline constexpr unsigned all_lanes = 0xffffffffu;

// Blocks for `count` threads of work; grid-stride loops take what is beyond `limit` blocks.
inline unsigned blocks_for(std::int64_t count, int block, std::int64_t limit = std::int64_t{1} << 20) {
  const std::int64_t blocks = (count + block - 1) / block;
  return static_cast<unsigned>(blocks < limit ? blocks : limit);
}

// Of the thread among all threads of the grid's x dimension, and how many there are.
__device__ inline std::int64_t global_thread() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline std::int64_t global_threads() {
  return static_cast<std::int64_t>(gridDim.x) * blockDim.x;
}

// The same value in every lane, always summed in the same order.
template <class T>
__device__ T warp_sum(T value) {
  for (int step = warp_size / 2; step > 0; step /= 2) value += __shfl_xor_sync(all_lanes, value, step);
  return value;
}
template <class T>
__device__ T warp_max(T value) {
  for (int step = warp_size / 2; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(all_lanes, value, step);
    value = other > value || other != other ? other : value;  // NaN is handed on
  }
  return value;
}

// Over all threads of a one-dimensional block of whole warps; `scratch` holds one value per warp and may be used again
// right after. Every thread gets the result, summed in the same order each time.
template <class T>
__device__ T block_sum(T value, T* scratch) {
  value = warp_sum(value);
  const int warp = threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
  if (lane == 0) scratch[warp] = value;
  __syncthreads();
  T total = 0;
  for (int w = 0; w < static_cast<int>(blockDim.x) / warp_size; ++w) total += scratch[w];
  __syncthreads();
  return total;
}

}  // namespace rein::cuda
