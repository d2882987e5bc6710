// What the attention kernels are made of: square tiles of rows in shared memory, and two products of tiles whose
// results stay in registers. 256 threads as 16 x 16 (ty, tx); a thread owns `each` neighbouring rows of every result.
// Rows of a tile are 16 bytes longer than a multiple of 128, so that neighbouring rows lie in different banks.
#pragma once

#include "tensor/cuda/packed.h"
#include "tensor/ops/attention_cuda.h"

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
// Of 16 x lanes_of columns each: what a thread accumulates of a row of at most `chunk_width` columns.
template <class T>
inline constexpr int most_groups = chunk_width / (16 * lanes_of<T>);

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
__device__ Strip<T> strip_of(const cpu::AttentionRows<const T>& rows, std::int64_t n, std::int64_t h,
                             std::int64_t count, std::int64_t cols, bool packed) {
  return {rows.data + n * rows.batch_pitch + h * cols, rows.row_pitch, count, static_cast<int>(cols), packed};
}

// Whether all rows of all heads start at multiples of 16 bytes.
template <class T>
bool packs(const cpu::AttentionRows<const T>& rows, std::int64_t cols) {
  return packable<lanes_of<T>>(rows.row_pitch, rows.data) && cols % lanes_of<T> == 0 &&
         rows.batch_pitch % lanes_of<T> == 0;
}

// Rows [first, first + side) and columns [c0, c0 + chunk_width) -> tile; zeros outside, and up to whole packs.
template <class T>
__device__ void load_tile(const Strip<T>& from, std::int64_t first, int c0, T* tile) {
  constexpr int V = lanes_of<T>;
  const int pitch = tile_pitch<T>(from.cols), packs_in_row = (from.width(c0) + V - 1) / V;
  for (int i = threadIdx.x; i < side<T> * packs_in_row; i += attention_threads) {
    const int row = i / packs_in_row, col = i % packs_in_row * V;
    Packed<T, V> value{};
    if (first + row < from.rows) {
      const T* at = from.data + (first + row) * from.pitch + c0 + col;
      if (from.packed) {
        value = load_packed<T, V>(at);
      } else {
        for (int e = 0; e < V; ++e) value.at[e] = c0 + col + e < from.cols ? at[e] : T(0);
      }
    }
    store_packed(value, tile + row * pitch + col);
  }
}

// sums[i][j] += left row ty * each + i times right row tx + 16 j, over `width` columns.
template <class T>
__device__ void add_products(const T* left, const T* right, int pitch, int width, T (&sums)[each<T>][each<T>]) {
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

// A thread's part of (side, chunk_width): row ty * each + i, columns 16 V g + V tx + e.
template <class T, int groups>
using Accumulator = T[each<T>][groups][lanes_of<T>];

// sums += weights (side, side) times right (side, width).
template <class T, int groups>
__device__ void add_weighted(const T* weights, const T* right, int pitch, int width, Accumulator<T, groups>& sums) {
  constexpr int V = lanes_of<T>, weights_pitch = tile_pitch<T>(side<T>);
  const T* w = weights + threadIdx.x / 16 * each<T> * weights_pitch;
  const int first = threadIdx.x % 16 * V;
  for (int k = 0; k < side<T>; k += V) {
    Packed<T, V> x[each<T>];
    for (int i = 0; i < each<T>; ++i) x[i] = load_packed<T, V>(w + i * weights_pitch + k);
    for (int e = 0; e < V; ++e) {
      for (int g = 0; g < groups; ++g) {
        const int c = first + g * 16 * V;
        if (c >= width) continue;
        const Packed<T, V> y = load_packed<T, V>(right + (k + e) * pitch + c);
        for (int i = 0; i < each<T>; ++i)
          for (int u = 0; u < V; ++u) sums[i][g][u] = fma(x[i].at[e], y.at[u], sums[i][g][u]);
      }
    }
  }
}

// values[i][j], owned as the results of add_products -> tile (side, side).
template <class T>
__device__ void store_square(const T (&values)[each<T>][each<T>], T* tile) {
  constexpr int pitch = tile_pitch<T>(side<T>);
  T* to = tile + threadIdx.x / 16 * each<T> * pitch + threadIdx.x % 16;
  for (int i = 0; i < each<T>; ++i)
    for (int j = 0; j < each<T>; ++j) to[i * pitch + 16 * j] = values[i][j];
}

// Rows [first, …) and columns [c0, …) of one head of `to` = factor[i] * sums.
template <class T, int groups>
__device__ void store_rows(const Accumulator<T, groups>& sums, const T (&factor)[each<T>], T* to, std::int64_t pitch,
                           std::int64_t first, std::int64_t rows, int c0, int cols) {
  constexpr int V = lanes_of<T>;
  for (int i = 0; i < each<T>; ++i) {
    const std::int64_t row = first + threadIdx.x / 16 * each<T> + i;
    if (row >= rows) continue;
    for (int g = 0; g < groups; ++g) {
      const int c = c0 + g * 16 * V + threadIdx.x % 16 * V;
      for (int u = 0; u < V; ++u)
        if (c + u < cols && c + u < c0 + chunk_width) to[row * pitch + c + u] = factor[i] * sums[i][g][u];
    }
  }
}

// Decomposed relative positions: what each query adds to the logits of the keys of a row and of a column of the map.
template <class T>
struct RelativeTerms {
  const T* terms = nullptr;  // (heads of this launch, lq, height + width), or null: none
  int height = 0, width = 0;

  // A key's row and column of the map; found once for all queries, since divisions are slow.
  struct Place {
    int row = 0, column = 0;
  };
  __device__ Place place(std::int64_t key) const {
    if (terms == nullptr) return {};
    return {static_cast<int>(key) / width, static_cast<int>(key) % width};
  }
  __device__ T of(std::int64_t head, std::int64_t lq, std::int64_t query, const Place& key) const {
    const T* at = terms + (head * lq + query) * (height + width);
    return at[key.row] + at[height + key.column];
  }
};
// Heads [first, first + count) of batches x heads -> terms.
template <class T>
void relative_terms(const AttentionArgs<T>& args, std::int64_t first, std::int64_t count, T* terms);

// Heads whose terms (`copies` of them) fit into 128 MiB: launches take so many at a time. All heads without positions.
template <class T>
std::int64_t heads_at_once(const AttentionArgs<T>& a, std::int64_t copies) {
  const std::int64_t heads = a.batches * a.heads;
  if (a.rel_height == nullptr) return heads;
#ifdef __CUDACC__
  constexpr std::int64_t limit = std::int64_t{128} << 20;
#else
  constexpr std::int64_t limit = 1 << 10;  // so that the tests see several groups
#endif
  const std::int64_t bytes = copies * a.lq * (a.height + a.width) * static_cast<std::int64_t>(sizeof(T));
  const std::int64_t fit = limit / (bytes > 0 ? bytes : 1);
  return fit < 1 ? 1 : fit < heads ? fit : heads;
}

}  // namespace rein::ops::cuda
