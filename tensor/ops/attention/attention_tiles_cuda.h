// What the attention kernels are made of: square tiles of rows in shared memory, and two products of tiles whose
// results stay in registers. 256 threads as 16 x 16 (ty, tx); a thread owns `each` neighbouring rows of every result.
// Rows of a tile are 16 bytes longer than a multiple of 128, so that neighbouring rows lie in different banks. What a
// tile needs from memory is asked for at once, copies and loads alike, and then waited for once.
#pragma once

#include "tensor/cuda/async_copy.h"
#include "tensor/ops/attention/attention_kernels.h"

namespace rein::ops::cuda {

using namespace rein::cuda;

inline constexpr int attention_threads = 256;
inline constexpr int chunk_width = 128;  // columns of a tile; wider heads pass through it in chunks

template <class T>
inline constexpr int each = sizeof(T) == 4 ? 4 : 2;  // rows and columns of a product that a thread owns
template <class T>
inline constexpr int side = 16 * each<T>;  // rows of a tile
template <class T>
inline constexpr int lanes_of = packed_count<T>;
// A thread accumulates `owned` columns of a row, in packs of so many.
template <class T, int owned>
inline constexpr int pack_of = owned < lanes_of<T> ? owned : lanes_of<T>;

// run(int_constant of owned) for rows of `width` columns, so that no thread goes without one at the usual widths.
template <class F>
void for_owned(std::int64_t width, const F& run) {
  if (width <= 32) return run(std::integral_constant<int, 2>{});
  if (width <= 64) return run(std::integral_constant<int, 4>{});
  run(std::integral_constant<int, chunk_width / 16>{});
}

template <class T>
__host__ __device__ constexpr int tile_pitch(std::int64_t cols) {
  constexpr int line = 128 / sizeof(T);
  const int width = static_cast<int>(cols < chunk_width ? cols : chunk_width);
  return (width + line - 1) / line * line + lanes_of<T>;
}
template <class T>
__host__ __device__ constexpr int tile_size(std::int64_t cols) {
  return side<T> * tile_pitch<T>(cols);
}
inline std::int64_t chunks_of(std::int64_t cols) {
  return cols <= chunk_width ? 1 : (cols + chunk_width - 1) / chunk_width;
}

// The rows of one head of an operand.
template <class T>
struct Strip {
  const T* data;
  std::int64_t pitch, rows;
  int cols;
  bool packed;  // 16 bytes at a time

  __device__ int width(int c0) const { return cols - c0 < chunk_width ? cols - c0 : chunk_width; }
};

template <class T>
static __device__ Strip<T> strip_of(const AttentionRows<const T>& rows, std::int64_t n, std::int64_t h,
                                    std::int64_t count, std::int64_t cols, bool packed) {
  return {rows.data + n * rows.batch_pitch + h * cols, rows.row_pitch, count, static_cast<int>(cols), packed};
}

// Whether all rows of all heads start at multiples of 16 bytes.
template <class T>
bool packs(const AttentionRows<const T>& rows, std::int64_t cols) {
  return packable<lanes_of<T>>(rows.row_pitch, rows.data) && cols % lanes_of<T> == 0 &&
         rows.batch_pitch % lanes_of<T> == 0;
}

// Starts to copy rows [first, first + side) and columns [c0, c0 + chunk_width) -> tile; zeros outside, and up to whole
// packs. For wait_for_tiles.
template <class T>
static __device__ void load_tile(const Strip<T>& from, std::int64_t first, int c0, T* tile) {
  constexpr int V = lanes_of<T>;
  const int pitch = tile_pitch<T>(from.cols), width = from.width(c0), ty = static_cast<int>(threadIdx.x) / 16;
  for (int c = static_cast<int>(threadIdx.x) % 16 * V; c < width; c += 16 * V) {
    const T* at = from.data + (first + ty) * from.pitch + c0 + c;
#pragma unroll 1  // nobody waits here, and registers are dear
    for (int row = ty; row < side<T>; row += 16) {
      const bool real = first + row < from.rows;
      T* const to = tile + row * pitch + c;
      if (from.packed) {
        copy_async(shared_place(to), at, real);
      } else {
        for (int e = 0; e < V; ++e) to[e] = real && c + e < width ? at[e] : T(0);
      }
      at += 16 * from.pitch;
    }
  }
}
__device__ inline void wait_for_tiles() {
  wait_for_copies();
  __syncthreads();
}

// sums[i][j] += left row ty * each + i times right row tx + 16 j, over `width` columns.
template <class T>
static __device__ void add_products(const T* left, const T* right, int pitch, int width, T (&sums)[each<T>][each<T>]) {
  constexpr int V = lanes_of<T>;
  const T* a = left + threadIdx.x / 16 * each<T> * pitch;
  const T* b = right + threadIdx.x % 16 * pitch;
  for (int c = 0; c < width; c += V) {
    Packed<T, V> x[each<T>], y[each<T>];
    for (int i = 0; i < each<T>; ++i) x[i] = load_packed<T, V>(a + i * pitch + c);
    for (int j = 0; j < each<T>; ++j) y[j] = load_packed<T, V>(b + j * 16 * pitch + c);
    for (int e = 0; e < V; ++e)
      for (int i = 0; i < each<T>; ++i)
        for (int j = 0; j < each<T>; ++j) sums[i][j] = fma(x[i].at[e], y[j].at[e], sums[i][j]);
  }
}

// A thread's part of (side, 16 * owned): row ty * each + i, columns (16 g + tx) * pack + u.
template <class T, int owned>
using Accumulator = T[each<T>][owned / pack_of<T, owned>][pack_of<T, owned>];

// sums += weights (side, side) times right (side, width).
template <class T, int owned>
static __device__ void add_weighted(const T* weights, const T* right, int pitch, int width,
                                    Accumulator<T, owned>& sums) {
  constexpr int V = lanes_of<T>, P = pack_of<T, owned>, weights_pitch = tile_pitch<T>(side<T>);
  const T* w = weights + threadIdx.x / 16 * each<T> * weights_pitch;
  for (int k = 0; k < side<T>; k += V) {
    Packed<T, V> x[each<T>];
    for (int i = 0; i < each<T>; ++i) x[i] = load_packed<T, V>(w + i * weights_pitch + k);
    for (int e = 0; e < V; ++e) {
      for (int g = 0; g < owned / P; ++g) {
        const int c = (g * 16 + static_cast<int>(threadIdx.x) % 16) * P;
        if (c >= width) continue;
        const Packed<T, P> y = load_packed<T, P>(right + (k + e) * pitch + c);
        for (int i = 0; i < each<T>; ++i)
          for (int u = 0; u < P; ++u) sums[i][g][u] = fma(x[i].at[e], y.at[u], sums[i][g][u]);
      }
    }
  }
}

// values[i][j], owned as the results of add_products -> tile (side, side).
template <class T>
static __device__ void store_square(const T (&values)[each<T>][each<T>], T* tile) {
  constexpr int pitch = tile_pitch<T>(side<T>);
  T* to = tile + threadIdx.x / 16 * each<T> * pitch + threadIdx.x % 16;
  for (int i = 0; i < each<T>; ++i)
    for (int j = 0; j < each<T>; ++j) to[i * pitch + 16 * j] = values[i][j];
}

// Rows [first, …) and columns [c0, …) of one head of `to` = factor[i] * sums.
template <class T, int owned>
static __device__ void store_rows(const Accumulator<T, owned>& sums, const T (&factor)[each<T>], T* to,
                                  std::int64_t pitch, std::int64_t first, std::int64_t rows, int c0, int cols) {
  constexpr int P = pack_of<T, owned>;
  for (int i = 0; i < each<T>; ++i) {
    const std::int64_t row = first + threadIdx.x / 16 * each<T> + i;
    if (row >= rows) continue;
    for (int g = 0; g < owned / P; ++g) {
      const int c = c0 + (g * 16 + static_cast<int>(threadIdx.x) % 16) * P;
      for (int u = 0; u < P; ++u)
        if (c + u < cols && c + u < c0 + chunk_width) to[row * pitch + c + u] = factor[i] * sums[i][g][u];
    }
  }
}

}  // namespace rein::ops::cuda
