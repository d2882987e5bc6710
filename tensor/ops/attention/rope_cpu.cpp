// Rotary embedding, one pass over memory: groups of rows are shared among the threads, vectors run over the pairs of a
// head, so that both kinds of pairs read the tables in order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/attention/rope_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/cpu/simd-inl.h"
#include "tensor/ops/attention/rope_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

// (u, v) by the angle, or by minus it.
template <bool inverse, class V>
HWY_INLINE void turn(V& u, V& v, V c, V s) {
  const V uc = hn::Mul(u, c), vc = hn::Mul(v, c);
  const V a = inverse ? hn::MulAdd(v, s, uc) : hn::NegMulAdd(v, s, uc);
  v = inverse ? hn::NegMulAdd(u, s, vc) : hn::MulAdd(u, s, vc);
  u = a;
}

template <bool inverse, class T>
void turn_row(const T* HWY_RESTRICT x, const T* HWY_RESTRICT c, const T* HWY_RESTRICT s, std::int64_t columns,
              std::int64_t half, RopePairs pairs, T* HWY_RESTRICT y) {
  const hn::ScalableTag<T> tag;
  for (std::int64_t head = 0; head < columns; head += 2 * half) {
    const T* from = x + head;
    T* to = y + head;
    if (pairs == RopePairs::half) {
      for_each_lane(tag, half, [&](auto d, std::int64_t j) {
        auto u = load(d, from + j), v = load(d, from + half + j);
        turn<inverse>(u, v, load(d, c + j), load(d, s + j));
        store(u, d, to + j);
        store(v, d, to + half + j);
      });
    } else {
      for_each_lane(tag, half, [&](auto d, std::int64_t j) {
        hn::Vec<decltype(d)> u, v;
        hn::LoadInterleaved2(d, from + 2 * j, u, v);
        turn<inverse>(u, v, load(d, c + j), load(d, s + j));
        hn::StoreInterleaved2(u, v, d, to + 2 * j);
      });
    }
  }
}

template <class T>
void run_row(const T* x, const T* c, const T* s, std::int64_t columns, std::int64_t half, RopePairs pairs, bool inverse,
             T* y) {
  if (inverse)
    turn_row<true>(x, c, s, columns, half, pairs, y);
  else
    turn_row<false>(x, c, s, columns, half, pairs, y);
}

#define REIN_ROPE_KERNEL(T, tag)                                                                                    \
  void rope_row_##tag(const T* x, const T* c, const T* s, std::int64_t columns, std::int64_t half, RopePairs pairs, \
                      bool inverse, T* y) {                                                                         \
    run_row(x, c, s, columns, half, pairs, inverse, y);                                                             \
  }
REIN_ROPE_KERNEL(float, f32)
REIN_ROPE_KERNEL(double, f64)
#undef REIN_ROPE_KERNEL

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cstring>

#include "tensor/cpu/dispatch.h"
#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {
HWY_EXPORT(rope_row_f32);
HWY_EXPORT(rope_row_f64);
}  // namespace

template <class T, class X>
void rope(const X* x, const T* cos, const T* sin, const RopeSizes& sizes, RopePairs pairs, bool inverse, X* y) {
  const auto kernel = REIN_KERNEL_OF(T, rope_row);
  const std::int64_t grain = rows_per_range(sizes.cols);
  parallel_ranges(sizes.batches * sizes.length, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const T* from = x + row * sizes.cols;
      T* to = y + row * sizes.cols;
      const std::int64_t place = row % sizes.length - sizes.kept_rows;
      const std::int64_t turned = place < 0 ? 0 : sizes.columns;
      if (turned > 0) {
        const std::int64_t at = place * sizes.half;
        kernel(from, cos + at, sin + at, turned, sizes.half, pairs, inverse, to);
      }
      std::memcpy(to + turned, from + turned, static_cast<std::size_t>(sizes.cols - turned) * sizeof(T));
    }
  });
}

template void rope<float>(const float*, const float*, const float*, const RopeSizes&, RopePairs, bool, float*);
template void rope<double>(const double*, const double*, const double*, const RopeSizes&, RopePairs, bool, double*);

}  // namespace rein::ops::cpu
#endif
