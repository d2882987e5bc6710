// Register tiles: AVX-512 12 x 2 vectors (24 accumulators, 2 of B, 1 broadcast of A, out of 32 registers), AVX2 and
// plain 4 x 3 (12 + 3 + 1, out of 16). A product of each is one multiply-add per broadcast and vector, so loads stay
// below half of the multiply-adds and the units never wait. One template serves f32, f64 and pairs of bf16.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/matmul/gemm_kernel_cpu.cpp"
#include "tensor/ops/matmul/gemm_kernel_cpu.h"

#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/cpu/simd-inl.h"
#include "tensor/cpu_features.h"
#include "tensor/ops/matmul/gemm_cpu.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

#if HWY_TARGET <= HWY_AVX3
constexpr int tile_rows = 12, tile_vectors = 2;
#else
constexpr int tile_rows = 4, tile_vectors = 3;
#endif

// The bf16 in either half of a float's bits, as a float.
template <class V>
HWY_INLINE V high_half(V x) {
  const hn::DFromV<V> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  return hn::BitCast(d, hn::And(hn::BitCast(du, x), hn::Set(du, 0xFFFF0000u)));
}
template <class V>
HWY_INLINE V low_half(V x) {
  const hn::DFromV<V> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::BitCast(du, x)));
}

// sum + a.high b.high + a.low b.low in each lane, two fused multiply-adds that flush denormals. Assembly because the
// file is compiled for every AVX-512 machine; pairs_of_bf16() asks for the instruction.
#if HWY_TARGET == HWY_AVX3
template <class V>
HWY_INLINE V add_dot(V sum, V a, V b) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
  return sum;
}
#else
template <class V>
HWY_INLINE V add_dot(V sum, V a, V b) {  // never reached
  return hn::MulAdd(low_half(a), low_half(b), hn::MulAdd(high_half(a), high_half(b), sum));
}
#endif

// C tile of kRows x kVectors from a packed A panel (kRows wide) and B panel (kVectors vectors wide); only rows x cols
// of it exist in C.
template <Elements kElements, class T, int kRows, int kVectors>
HWY_NOINLINE void multiply_tile(const BlockArgs<T>& args, const T* HWY_RESTRICT a, const T* HWY_RESTRICT b,
                                std::int64_t row, std::int64_t col) {
  const hn::ScalableTag<T> d;
  constexpr auto lanes = static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<T>()));
  using V = hn::Vec<decltype(d)>;
  const std::int64_t rows = args.rows - row, cols = args.cols - col;
  T* HWY_RESTRICT c = args.c + row * args.c_pitch + col;
  const std::int64_t pitch = args.c_pitch;
  for (int r = 0; r < kRows; ++r)
    if (r < rows) {
      __builtin_prefetch(c + r * pitch);
      __builtin_prefetch(c + r * pitch + (cols < kVectors * lanes ? cols : kVectors * lanes) - 1);
    }

  V sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);

  for (std::int64_t k = 0; k < args.kc; ++k, a += kRows, b += kVectors * lanes) {
    V right[kVectors];
    // Of pairs, the second halves come first, then the first ones: so does the processor's dot product.
#pragma GCC unroll 2
    for (int half = 0; half < (kElements == Elements::pairs ? 2 : 1); ++half) {
      const auto number = [half](V x) HWY_ATTR {
        if constexpr (kElements == Elements::pairs) return half == 0 ? high_half(x) : low_half(x);
        return x;
      };
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) right[v] = number(hn::LoadU(d, b + v * lanes));
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const V left = number(hn::Set(d, a[r]));
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          if constexpr (kElements == Elements::pairs_dot)
            sum[r][v] = add_dot(sum[r][v], left, right[v]);
          else
            sum[r][v] = hn::MulAdd(left, right[v], sum[r][v]);
        }
      }
    }
  }

  const V alpha = hn::Set(d, args.alpha);
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t left = cols - v * lanes;
    if (left >= lanes) {
      const V bias = args.bias ? hn::LoadU(d, args.bias + col + v * lanes) : hn::Zero(d);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        if (r >= rows) break;
        T* out = c + r * pitch + v * lanes;
        V value = hn::Mul(alpha, sum[r][v]);
        if (args.bias) value = hn::Add(value, bias);
        if (args.add) value = hn::Add(hn::LoadU(d, out), value);
        hn::StoreU(value, d, out);
      }
    } else {
      const auto mask = hn::FirstN(d, static_cast<std::size_t>(left));
      const V bias = args.bias ? hn::MaskedLoad(mask, d, args.bias + col + v * lanes) : hn::Zero(d);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        if (r >= rows) break;
        T* out = c + r * pitch + v * lanes;
        V value = hn::Mul(alpha, sum[r][v]);
        if (args.bias) value = hn::Add(value, bias);
        if (args.add) value = hn::Add(hn::MaskedLoad(mask, d, out), value);
        hn::BlendedStore(value, mask, d, out);
      }
    }
  }
}

template <Elements kElements, class T, int kVectors>
HWY_INLINE void multiply_column(const BlockArgs<T>& args, const T* b, std::int64_t col) {
  const T* a = args.a;
  for (std::int64_t row = 0; row < args.rows; row += tile_rows) {
    const int height = panel_height(args.rows - row, tile_rows);
    switch (height) {
      case 1:
        multiply_tile<kElements, T, 1, kVectors>(args, a, b, row, col);
        break;
      case 2:
        multiply_tile<kElements, T, 2, kVectors>(args, a, b, row, col);
        break;
      case 4:
        multiply_tile<kElements, T, 4, kVectors>(args, a, b, row, col);
        break;
#if HWY_TARGET <= HWY_AVX3
      case 8:
        multiply_tile<kElements, T, 8, kVectors>(args, a, b, row, col);
        break;
      default:
        multiply_tile<kElements, T, tile_rows, kVectors>(args, a, b, row, col);
        break;
#endif
    }
    a += height * args.kc;
  }
}

// A column of B panels at a time: its kc x cols floats stay near while the A panels pass by.
template <Elements kElements, class T>
void multiply_all(const BlockArgs<T>& args) {
  constexpr int lanes = static_cast<int>(hn::MaxLanes(hn::ScalableTag<T>()));
  const T* b = args.b;
  for (std::int64_t col = 0; col < args.cols; col += tile_vectors * lanes) {
    const int width = panel_width(args.cols - col, lanes, tile_vectors);
    if (width == lanes)
      multiply_column<kElements, T, 1>(args, b, col);
    else if (width == 2 * lanes)
      multiply_column<kElements, T, 2>(args, b, col);
#if HWY_TARGET > HWY_AVX3
    else
      multiply_column<kElements, T, 3>(args, b, col);
#endif
    b += width * args.kc;
  }
}

// 4 x 4 (f32) or 2 x 2 (f64) blocks through 128-bit registers.
#if HWY_TARGET != HWY_SCALAR
HWY_INLINE void transpose_block(const float* const* lines, std::int64_t k, int width, float* out) {
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> dd;
  const auto r0 = hn::LoadU(d, lines[0] + k), r1 = hn::LoadU(d, lines[1] + k);
  const auto r2 = hn::LoadU(d, lines[2] + k), r3 = hn::LoadU(d, lines[3] + k);
  const auto low01 = hn::BitCast(dd, hn::InterleaveLower(d, r0, r1));   // 00 10 01 11
  const auto high01 = hn::BitCast(dd, hn::InterleaveUpper(d, r0, r1));  // 02 12 03 13
  const auto low23 = hn::BitCast(dd, hn::InterleaveLower(d, r2, r3));
  const auto high23 = hn::BitCast(dd, hn::InterleaveUpper(d, r2, r3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, low01, low23)), d, out);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, low01, low23)), d, out + width);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, high01, high23)), d, out + 2 * width);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, high01, high23)), d, out + 3 * width);
}
HWY_INLINE void transpose_block(const double* const* lines, std::int64_t k, int width, double* out) {
  const hn::FixedTag<double, 2> d;
  const auto r0 = hn::LoadU(d, lines[0] + k), r1 = hn::LoadU(d, lines[1] + k);
  hn::StoreU(hn::InterleaveLower(d, r0, r1), d, out);
  hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, out + width);
}
#endif

template <class T>
void pack_lines_of(const T* const* lines, int width, std::int64_t kc, T* out) {
  int i = 0;
#if HWY_TARGET != HWY_SCALAR
  constexpr int block = 16 / sizeof(T);
  for (; i + block <= width; i += block) {
    std::int64_t k = 0;
    for (; k + block <= kc; k += block) transpose_block(lines + i, k, width, out + k * width + i);
    for (; k < kc; ++k)
      for (int j = 0; j < block; ++j) out[k * width + i + j] = lines[i + j][k];
  }
#endif
  for (; i < width; ++i)
    for (std::int64_t k = 0; k < kc; ++k) out[k * width + i] = lines[i][k];
}

// Whole vectors, then one masked vector: panels are often narrower than a vector.
template <class T>
void pack_columns_of(const T* const* columns, int count, int padding, int width, std::int64_t kc, T* out) {
  const hn::ScalableTag<T> d;
  constexpr int lanes = static_cast<int>(hn::MaxLanes(hn::ScalableTag<T>()));
  constexpr std::int64_t ahead = 16;  // columns lie far apart: no hardware prefetcher follows them
  const int whole = count / lanes * lanes;
  const auto rest = hn::FirstN(d, static_cast<std::size_t>(count - whole));
  for (std::int64_t k = 0; k < kc; ++k, out += width) {
    const T* column = columns[k];
    if (k + ahead < kc && columns[k + ahead] != nullptr) {
      __builtin_prefetch(columns[k + ahead]);
      __builtin_prefetch(columns[k + ahead] + count - 1);
    }
    if (column == nullptr) {
      for (int i = 0; i < whole; i += lanes) hn::StoreU(hn::Zero(d), d, out + i);
      for (int i = whole; i < count; ++i) out[i] = T(0);
    } else {
      for (int i = 0; i < whole; i += lanes) hn::StoreU(hn::LoadU(d, column + i), d, out + i);
      if (whole < count) hn::BlendedStore(hn::MaskedLoad(rest, d, column + whole), rest, d, out + whole);
    }
    for (int i = count; i < count + padding; ++i) out[i] = T(0);
  }
}

template <class T>
void add_rows_of(const T* x, std::int64_t rows, std::int64_t cols, std::int64_t pitch, T* sums) {
  const hn::ScalableTag<T> d;
  std::int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const T* row = x + r * pitch;
    for_each_lane(d, cols, [&](auto v, std::int64_t i) {
      const auto first = hn::Add(load(v, row + i), load(v, row + pitch + i));
      const auto second = hn::Add(load(v, row + 2 * pitch + i), load(v, row + 3 * pitch + i));
      store(hn::Add(load(v, sums + i), hn::Add(first, second)), v, sums + i);
    });
  }
  for (; r < rows; ++r)
    for_each_lane(d, cols, [&](auto v, std::int64_t i) {
      store(hn::Add(load(v, sums + i), load(v, x + r * pitch + i)), v, sums + i);
    });
}

template <class T>
TileShape shape_of_tile() {
  return {tile_rows, static_cast<int>(hn::MaxLanes(hn::ScalableTag<T>())), tile_vectors};
}

TileShape tile_f32() {
  return shape_of_tile<float>();
}
TileShape tile_f64() {
  return shape_of_tile<double>();
}
void multiply_f32(const BlockArgs<float>& args) {
  switch (args.elements) {
    case Elements::single:
      return multiply_all<Elements::single>(args);
    case Elements::pairs:
      return multiply_all<Elements::pairs>(args);
    case Elements::pairs_dot:
      return multiply_all<Elements::pairs_dot>(args);
  }
}
void multiply_f64(const BlockArgs<double>& args) {
  multiply_all<Elements::single>(args);
}
void lines_f32(const float* const* lines, int width, std::int64_t kc, float* out) {
  pack_lines_of(lines, width, kc, out);
}
void lines_f64(const double* const* lines, int width, std::int64_t kc, double* out) {
  pack_lines_of(lines, width, kc, out);
}
void columns_f32(const float* const* columns, int count, int padding, int width, std::int64_t kc, float* out) {
  pack_columns_of(columns, count, padding, width, kc, out);
}
void columns_f64(const double* const* columns, int count, int padding, int width, std::int64_t kc, double* out) {
  pack_columns_of(columns, count, padding, width, kc, out);
}
void rows_f32(const float* x, std::int64_t rows, std::int64_t cols, std::int64_t pitch, float* sums) {
  add_rows_of(x, rows, cols, pitch, sums);
}
void rows_f64(const double* x, std::int64_t rows, std::int64_t cols, std::int64_t pitch, double* sums) {
  add_rows_of(x, rows, cols, pitch, sums);
}

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "tensor/cpu/dispatch.h"

namespace rein::ops::cpu {
namespace {
HWY_EXPORT(tile_f32);
HWY_EXPORT(tile_f64);
HWY_EXPORT(multiply_f32);
HWY_EXPORT(multiply_f64);
HWY_EXPORT(lines_f32);
HWY_EXPORT(lines_f64);
HWY_EXPORT(columns_f32);
HWY_EXPORT(columns_f64);
HWY_EXPORT(rows_f32);
HWY_EXPORT(rows_f64);

template <class T>
constexpr T zeros[gemm_max_kc] = {};
}  // namespace

template <class T>
TileShape tile_shape() {
  return REIN_KERNEL_OF(T, tile)();
}

template <class T>
void multiply_block(const BlockArgs<T>& args) {
  REIN_KERNEL_OF(T, multiply)(args);
}

template <class T>
void pack_lines(const T* const* lines, int count, int width, std::int64_t kc, T* out) {
  const T* all[gemm_max_width];
  for (int i = 0; i < width; ++i) all[i] = i < count && lines[i] ? lines[i] : zeros<T>;
  REIN_KERNEL_OF(T, lines)(all, width, kc, out);
}

template <class T>
void pack_columns(const T* const* columns, int count, int padding, int width, std::int64_t kc, T* out) {
  REIN_KERNEL_OF(T, columns)(columns, count, padding, width, kc, out);
}

template <class T>
void add_rows(const T* x, std::int64_t rows, std::int64_t cols, std::int64_t pitch, T* sums) {
  REIN_KERNEL_OF(T, rows)(x, rows, cols, pitch, sums);
}

Elements pairs_of_bf16() {
#if defined(__x86_64__)
  if (isa_name() == "avx512" && __builtin_cpu_supports("avx512bf16") && forced_kernel("gemm_bf16") != "shifts")
    return Elements::pairs_dot;
#endif
  return Elements::pairs;
}

template TileShape tile_shape<float>();
template TileShape tile_shape<double>();
template void multiply_block(const BlockArgs<float>&);
template void multiply_block(const BlockArgs<double>&);
template void pack_lines(const float* const*, int, int, std::int64_t, float*);
template void pack_lines(const double* const*, int, int, std::int64_t, double*);
template void pack_columns(const float* const*, int, int, int, std::int64_t, float*);
template void pack_columns(const double* const*, int, int, int, std::int64_t, double*);
template void add_rows(const float*, std::int64_t, std::int64_t, std::int64_t, float*);
template void add_rows(const double*, std::int64_t, std::int64_t, std::int64_t, double*);

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
