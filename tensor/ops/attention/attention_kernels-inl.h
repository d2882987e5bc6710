// What forward and backward of attention share: packing, and products of small blocks that stay in the caches.
// Include after hwy/highway.h in a foreach_target file.
//
// Layouts of one head (L rows of width d), d padded with zeros to `padded(d)`:
//   rows        L x padded(d)
//   transposed  panels of panel_width keys; a panel is d x panel_width, so that vectors run over keys; zeros past L
#if defined(REIN_ATTENTION_KERNELS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef REIN_ATTENTION_KERNELS_INL_H
#undef REIN_ATTENTION_KERNELS_INL_H
#else
#define REIN_ATTENTION_KERNELS_INL_H
#endif

#include "tensor/cpu/math-inl.h"
#include "tensor/ops/attention/attention_layout.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

// Accumulators: 6 rows x 4 vectors (24 of 32 registers) on AVX-512, 6 x 2 (12 of 16) elsewhere.
#if HWY_TARGET <= HWY_AVX3
constexpr int tile_vectors = 4;
#else
constexpr int tile_vectors = 2;
#endif

// C (tile_rows x kVectors vectors) = or += A B over k terms in order. A(m, p) is a[m * lda + p], or a[p * lda + m]
// when kTransposed; B(p, :) is at b + p * ldb.
template <class T, int kVectors, bool kTransposed>
HWY_INLINE void multiply_tile(const T* HWY_RESTRICT a, std::int64_t lda, const T* HWY_RESTRICT b, std::int64_t ldb,
                              T* HWY_RESTRICT c, std::int64_t ldc, std::int64_t k, bool add) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr auto lanes = static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<T>()));
  V sum[tile_rows][kVectors];
#pragma GCC unroll 6
  for (int m = 0; m < tile_rows; ++m)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[m][v] = add ? hn::LoadU(d, c + m * ldc + v * lanes) : hn::Zero(d);
  for (std::int64_t p = 0; p < k; ++p) {
    V right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) right[v] = hn::LoadU(d, b + p * ldb + v * lanes);
#pragma GCC unroll 6
    for (int m = 0; m < tile_rows; ++m) {
      const V left = hn::Set(d, kTransposed ? a[p * lda + m] : a[m * lda + p]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[m][v] = hn::MulAdd(left, right[v], sum[m][v]);
    }
  }
#pragma GCC unroll 6
  for (int m = 0; m < tile_rows; ++m)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[m][v], d, c + m * ldc + v * lanes);
}

// C (rows x cols) = or += A B. Rows are done in whole tiles: A and C must have room for round_up(rows, tile_rows) rows
// (what the extra ones hold is garbage). cols must be a multiple of the lanes.
template <class T, bool kTransposed>
HWY_NOINLINE void multiply(const T* a, std::int64_t lda, const T* b, std::int64_t ldb, T* c, std::int64_t ldc,
                           std::int64_t rows, std::int64_t cols, std::int64_t k, bool add) {
  constexpr auto lanes = static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<T>()));
  for (std::int64_t j = 0; j < cols;) {
    const std::int64_t vectors = (cols - j) / lanes < tile_vectors ? (cols - j) / lanes : tile_vectors;
    for (std::int64_t i = 0; i < rows; i += tile_rows) {
      const T* left = a + (kTransposed ? i : i * lda);
      T* out = c + i * ldc + j;
      if (vectors == tile_vectors) multiply_tile<T, tile_vectors, kTransposed>(left, lda, b + j, ldb, out, ldc, k, add);
#if HWY_TARGET <= HWY_AVX3
      else if (vectors == 3)
        multiply_tile<T, 3, kTransposed>(left, lda, b + j, ldb, out, ldc, k, add);
      else if (vectors == 2)
        multiply_tile<T, 2, kTransposed>(left, lda, b + j, ldb, out, ldc, k, add);
#endif
      else
        multiply_tile<T, 1, kTransposed>(left, lda, b + j, ldb, out, ldc, k, add);
    }
    j += vectors * lanes;
  }
}

template <class T>
constexpr std::int64_t lanes_up(std::int64_t n) {
  constexpr auto lanes = static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<T>()));
  return (n + lanes - 1) / lanes * lanes;
}

// scores (rows x keys, pitch ld) = left (rows x d, pitch ldl) times the transposed panels of keys [begin, end); begin
// is a multiple of panel_width.
template <class T>
HWY_INLINE void multiply_panels(const T* left, std::int64_t ldl, const T* panels, std::int64_t d, std::int64_t begin,
                                std::int64_t end, T* scores, std::int64_t ld, std::int64_t rows) {
  for (std::int64_t j = begin; j < end; j += panel_width) {
    const std::int64_t width = end - j < panel_width ? lanes_up<T>(end - j) : panel_width;
    multiply<T, false>(left, ldl, panels + j * d, panel_width, scores + (j - begin), ld, rows, width, d, false);
  }
}

// Rows of a packed qkv are pages apart, where no hardware prefetcher follows: ask for rows early.
template <class T>
HWY_INLINE void prefetch_row(const T* row, std::int64_t d) {
  for (std::int64_t i = 0; i < d; i += 64 / static_cast<std::int64_t>(sizeof(T))) __builtin_prefetch(row + i);
}
constexpr std::int64_t prefetch_distance = 8;

template <class T>
void pack_rows(const T* x, std::int64_t pitch, std::int64_t rows, std::int64_t d, T* out) {
  const std::int64_t ld = padded(d);
  for (std::int64_t r = 0; r < rows; ++r) {
    for_each_lane(hn::ScalableTag<T>(), d,
                  [&](auto v, std::int64_t i) { store(load(v, x + r * pitch + i), v, out + r * ld + i); });
    for (std::int64_t i = d; i < ld; ++i) out[r * ld + i] = T(0);
  }
}

// The same, and zero rows up to a whole tile.
template <class T>
void pack_tile_rows(const T* x, std::int64_t pitch, std::int64_t rows, std::int64_t d, T* out) {
  pack_rows(x, pitch, rows, d, out);
  const std::int64_t ld = padded(d);
  for (std::int64_t i = rows * ld; i < round_up(rows, tile_rows) * ld; ++i) out[i] = T(0);
}

// One panel: rows [begin, begin + panel_width) of x, of which `rows` exist.
template <class T>
void pack_transposed(const T* x, std::int64_t pitch, std::int64_t rows, std::int64_t d, T* out) {
  for (std::int64_t begin = 0; begin < rows; begin += panel_width, out += d * panel_width) {
    const std::int64_t n = rows - begin < panel_width ? rows - begin : panel_width;
    if (n < panel_width)
      for (std::int64_t i = 0; i < d * panel_width; ++i) out[i] = T(0);
    for (std::int64_t r = 0; r < n; ++r) {
      const T* row = x + (begin + r) * pitch;
      if (begin + r + prefetch_distance < rows) prefetch_row(row + prefetch_distance * pitch, d);
      for (std::int64_t i = 0; i < d; ++i) out[i * panel_width + r] = row[i];
    }
  }
}

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
