// Who owns a row of softmax and log-softmax: a warp owns a row of up to 512 columns and keeps its values in registers,
// so a row is read once (4 warps to a block, no shared memory); a block of 256 threads owns a longer row and reads it
// as often as it walks over it, all but once from the cache. Thread i of the owner has columns i, i + 32 (256), …; sums
// are joined in a fixed order. Included by .cu files.
#pragma once

#include <type_traits>

#include "tensor/cuda/kernel.h"

namespace rein::ops::cuda {
namespace {  // no two kernel files may share a symbol: tensor/README.md

using namespace rein::cuda;

constexpr int warps_per_block = 4;
constexpr int long_row_threads = 256;

template <class T>
__device__ T larger(T a, T b) {  // NaN is handed on
  return b > a || b != b ? b : a;
}

// The threads of a row, and what each of them sees of it. held > 0: a warp with `held` values per lane in registers.
template <class T, int held>
class Owner {
 public:
  static __device__ std::int64_t first_row() {
    if constexpr (held > 0) return static_cast<std::int64_t>(blockIdx.x) * warps_per_block + threadIdx.x / warp_size;
    return blockIdx.x;
  }
  static __device__ std::int64_t row_step() {
    return static_cast<std::int64_t>(gridDim.x) * (held > 0 ? warps_per_block : 1);
  }

  __device__ Owner(const T* row, std::int64_t cols) : row_(row), cols_(cols) {
    if constexpr (held > 0) {
      const int lane = threadIdx.x % warp_size;
      for (int i = 0; i < held; ++i) kept_[i] = lane + i * warp_size < cols ? row[lane + i * warp_size] : T(0);
    }
  }

  // body(value, column) for the columns of this thread.
  template <class F>
  __device__ void each(F&& body) const {
    if constexpr (held > 0) {
      const int lane = threadIdx.x % warp_size;
      for (int i = 0; i < held; ++i)
        if (lane + i * warp_size < cols_) body(kept_[i], lane + i * warp_size);
    } else {
      for (std::int64_t c = threadIdx.x; c < cols_; c += long_row_threads) body(row_[c], c);
    }
  }

  static __device__ T sum(T value) {
    if constexpr (held > 0) return warp_sum(value);
    return block_sum(value, dynamic_shared<T>());
  }
  static __device__ T max(T value) {
    value = warp_max(value);
    if constexpr (held > 0) return value;
    T* scratch = dynamic_shared<T>();
    if (threadIdx.x % warp_size == 0) scratch[threadIdx.x / warp_size] = value;
    __syncthreads();
    for (int w = 0; w < long_row_threads / warp_size; ++w) value = larger(value, scratch[w]);
    __syncthreads();
    return value;
  }

 private:
  const T* row_;
  std::int64_t cols_;
  T kept_[held > 0 ? held : 1];
};

template <class T, int held>
__device__ T largest(const Owner<T, held>& row) {
  T top = T(-INFINITY);
  row.each([&](T v, std::int64_t) { top = larger(top, v); });
  return row.max(top);
}

struct Launch {
  unsigned blocks;
  int threads;
  std::size_t shared;
};

// body(values per lane, how to launch) for rows of this length.
template <class T, class F>
void by_length(std::int64_t rows, std::int64_t cols, F&& body) {
  const Launch warps{blocks_for(rows, warps_per_block), warps_per_block * warp_size, 0};
  const Launch blocks{blocks_for(rows, 1), long_row_threads, long_row_threads / warp_size * sizeof(T)};
  if (cols <= 4 * warp_size)
    body(std::integral_constant<int, 4>(), warps);
  else if (cols <= 16 * warp_size)
    body(std::integral_constant<int, 16>(), warps);
  else
    body(std::integral_constant<int, 0>(), blocks);
}

}  // namespace
}  // namespace rein::ops::cuda
