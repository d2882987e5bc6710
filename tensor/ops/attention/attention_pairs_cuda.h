// What the attention kernels know of pairs of a query and a key beside their product: which are closed, what relative
// positions add, and how the keys are shared out among blocks. Included by .cu files.
#pragma once

#include "tensor/ops/attention/attention_tiles_cuda.h"

namespace rein::ops::cuda {

// The places of a thread's element (i, j) in the tiles that were multiplied.
template <class T>
__device__ int own_place(int i) {
  return static_cast<int>(threadIdx.x) / 16 * each<T> + i;
}
__device__ inline int other_place(int j) {
  return static_cast<int>(threadIdx.x) % 16 + 16 * j;
}

// Which pairs of a tile of queries and one of keys are closed, blocked or outside: a byte each in shared memory,
// brought like the tiles, 16 bytes at a time where the mask allows. Own rows are keys (for_keys) or queries.
template <class T, bool for_keys>
struct ClosedPairs {
  static constexpr int pitch = side<T> + 16, size = side<T> * pitch;
  std::uint8_t* bytes;

  __device__ void load(const AttentionArgs<T>& a, std::int64_t n, std::int64_t query0, std::int64_t key0, bool packed) {
    constexpr int packs_in_row = side<T> / 16;
    const int row = static_cast<int>(threadIdx.x) / packs_in_row,
              col = static_cast<int>(threadIdx.x) % packs_in_row * 16;
    if (row >= side<T>) return;
    const std::int64_t keys = query0 + row < a.lq ? a.lk - key0 - col : 0;  // that exist from here on
    std::uint8_t* const to = bytes + row * pitch + col;
    if (a.blocked == nullptr) {
      for (int e = 0; e < 16; ++e) to[e] = e >= keys;
      return;
    }
    const std::uint8_t* const from = a.blocked + (n * a.lq + query0 + row) * a.lk + key0 + col;
    if (packed && keys > 0) return copy_async(shared_place(to), from, true);
    for (int e = 0; e < 16; ++e) to[e] = e < keys ? from[e] : 1;
  }
  __device__ bool operator()(int i, int j) const {
    const int own = own_place<T>(i), other = other_place(j);
    return bytes[for_keys ? other * pitch + own : own * pitch + other] != 0;
  }
};

// Decomposed relative positions: what each query adds to the logits of the keys of a row and of a column of the map.
template <class T>
struct RelativeTerms {
  const T* terms = nullptr;  // (heads of this launch, lq, height + width), or null: none
  int height = 0, width = 0;

  // Those of the head, counted from the first of this launch, added to the logits of all open pairs.
  template <bool for_keys>
  __device__ void add(std::int64_t head, std::int64_t lq, std::int64_t own0, std::int64_t other0,
                      const ClosedPairs<T, for_keys>& closed, T (&logits)[each<T>][each<T>]) const {
    if (terms == nullptr) return;
    const int per_query = height + width;
    const T* const from = terms + (head * lq + (for_keys ? other0 : own0)) * per_query;
    int rows[each<T>], columns[each<T>];  // of the keys' places; found once for all queries, since divisions are slow
    for (int x = 0; x < each<T>; ++x) {
      const int place = static_cast<int>(for_keys ? own0 + own_place<T>(x) : other0 + other_place(x));
      rows[x] = place / width, columns[x] = height + place % width;
    }
    for (int i = 0; i < each<T>; ++i) {
      for (int j = 0; j < each<T>; ++j) {
        if (closed(i, j)) continue;
        const int query = (for_keys ? other_place(j) : own_place<T>(i)) * per_query, x = for_keys ? i : j;
        logits[i][j] += from[query + rows[x]] + from[query + columns[x]];
      }
    }
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

// Few queries of few heads make too few blocks for a device. Then the keys are split: part z has keys [z * keys, …),
// and a second kernel adds what the parts have found. A function of the sizes alone: the same bits on every device.
struct KeyParts {
  std::int64_t count, keys;
};
template <class T>
KeyParts key_parts(std::int64_t blocks, std::int64_t keys) {
  constexpr std::int64_t enough = 256;  // blocks: two for each multiprocessor of a large device
  constexpr std::int64_t least = 2;     // tiles of a part, or the second kernel costs more than the parts give
  const std::int64_t tiles = (keys + side<T> - 1) / side<T>;
  const std::int64_t count = enough / blocks < tiles / least ? enough / blocks : tiles / least;
  if (count <= 1) return {1, keys};
  const std::int64_t each_tiles = (tiles + count - 1) / count;
  return {(tiles + each_tiles - 1) / each_tiles, each_tiles * side<T>};
}

}  // namespace rein::ops::cuda
