// Elementwise loops: one pass over memory, cut into fixed ranges. The functions themselves:
// elementwise_functions-inl.h.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/elementwise/elementwise_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/ops/elementwise/elementwise_functions-inl.h"
#include "tensor/ops/elementwise/elementwise_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

// with(F{}) for the functor F of `function`.
template <class With>
HWY_INLINE void choose(Unary function, With&& with) {
  switch (function) {
    case Unary::relu:
      return with(Relu{});
    case Unary::gelu:
      return with(Gelu{});
    case Unary::gelu_tanh:
      return with(GeluTanh{});
    case Unary::silu:
      return with(Silu{});
    case Unary::sigmoid:
      return with(Sigmoid{});
    case Unary::quick_gelu:
      return with(QuickGelu{});
  }
}
template <class With>
HWY_INLINE void choose(Binary function, With&& with) {
  switch (function) {
    case Binary::add:
      return with(Add{});
    case Binary::sub:
      return with(Sub{});
    case Binary::mul:
      return with(Mul{});
  }
}

template <class F, class T>
void apply(const T* HWY_RESTRICT x, std::int64_t count, T* HWY_RESTRICT y) {
  for_each_lane(hn::ScalableTag<T>(), count, [&](auto d, std::int64_t i) { store(F::f(d, load(d, x + i)), d, y + i); });
}
template <class F, class T>
void apply_df(const T* HWY_RESTRICT g, const T* HWY_RESTRICT x, std::int64_t count, T* HWY_RESTRICT gx) {
  for_each_lane(hn::ScalableTag<T>(), count,
                [&](auto d, std::int64_t i) { store(F::df(d, load(d, g + i), load(d, x + i)), d, gx + i); });
}
template <class F, class T>
void apply2(const T* HWY_RESTRICT a, const T* HWY_RESTRICT b, std::int64_t count, T* HWY_RESTRICT y) {
  for_each_lane(hn::ScalableTag<T>(), count,
                [&](auto d, std::int64_t i) { store(F::f(load(d, a + i), load(d, b + i)), d, y + i); });
}

template <class T>
void run_unary(Unary function, const T* x, std::int64_t count, T* y) {
  choose(function, [&](auto f) { apply<decltype(f)>(x, count, y); });
}
template <class T>
void run_unary_backward(Unary function, const T* g, const T* x, std::int64_t count, T* gx) {
  choose(function, [&](auto f) { apply_df<decltype(f)>(g, x, count, gx); });
}
template <class T>
void run_binary(Binary function, const T* a, const T* b, std::int64_t count, T* y) {
  choose(function, [&](auto f) { apply2<decltype(f)>(a, b, count, y); });
}
template <class T>
void run_scale(const T* x, T factor, std::int64_t count, T* y) {
  for_each_lane(hn::ScalableTag<T>(), count,
                [&](auto d, std::int64_t i) { store(hn::Mul(load(d, x + i), hn::Set(d, factor)), d, y + i); });
}
// out[c] = sum over rows, for `width` of `pitch` columns; vectors run over columns, rows are added in order.
template <class T>
void run_sum_rows(const T* a, const T* b, std::int64_t rows, std::int64_t width, std::int64_t pitch, T* out) {
  const hn::ScalableTag<T> tag;
  for_each_lane(tag, width, [&](auto d, std::int64_t i) { store(hn::Zero(d), d, out + i); });
  for (std::int64_t r = 0; r < rows; ++r) {
    for_each_lane(tag, width, [&](auto d, std::int64_t i) {
      const auto v = load(d, a + r * pitch + i);
      const auto sum = load(d, out + i);
      store(b != nullptr ? hn::MulAdd(v, load(d, b + r * pitch + i), sum) : hn::Add(v, sum), d, out + i);
    });
  }
}

#define REIN_ELEMENTWISE_KERNELS(T, tag)                                                                \
  void unary_##tag(Unary f, const T* x, std::int64_t n, T* y) {                                         \
    run_unary(f, x, n, y);                                                                              \
  }                                                                                                     \
  void unary_backward_##tag(Unary f, const T* g, const T* x, std::int64_t n, T* gx) {                   \
    run_unary_backward(f, g, x, n, gx);                                                                 \
  }                                                                                                     \
  void binary_##tag(Binary f, const T* a, const T* b, std::int64_t n, T* y) {                           \
    run_binary(f, a, b, n, y);                                                                          \
  }                                                                                                     \
  void scale_##tag(const T* x, T factor, std::int64_t n, T* y) {                                        \
    run_scale(x, factor, n, y);                                                                         \
  }                                                                                                     \
  void sum_rows_##tag(const T* a, const T* b, std::int64_t r, std::int64_t w, std::int64_t p, T* out) { \
    run_sum_rows(a, b, r, w, p, out);                                                                   \
  }
REIN_ELEMENTWISE_KERNELS(float, f32)
REIN_ELEMENTWISE_KERNELS(double, f64)
#undef REIN_ELEMENTWISE_KERNELS

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <vector>

#include "tensor/cpu/dispatch.h"
#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {
HWY_EXPORT(unary_f32);
HWY_EXPORT(unary_f64);
HWY_EXPORT(unary_backward_f32);
HWY_EXPORT(unary_backward_f64);
HWY_EXPORT(binary_f32);
HWY_EXPORT(binary_f64);
HWY_EXPORT(scale_f32);
HWY_EXPORT(scale_f64);
HWY_EXPORT(sum_rows_f32);
HWY_EXPORT(sum_rows_f64);

template <class F>
void ranges(std::int64_t count, F&& body) {
  parallel_ranges(count, elementwise_grain, body);
}
}  // namespace

template <class T>
void unary(Unary function, const T* x, std::int64_t count, T* y) {
  const auto kernel = REIN_KERNEL_OF(T, unary);
  ranges(count, [&](std::int64_t begin, std::int64_t end) { kernel(function, x + begin, end - begin, y + begin); });
}

template <class T>
void unary_backward(Unary function, const T* grad_out, const T* x, std::int64_t count, T* grad_x) {
  const auto kernel = REIN_KERNEL_OF(T, unary_backward);
  ranges(count, [&](std::int64_t begin, std::int64_t end) {
    kernel(function, grad_out + begin, x + begin, end - begin, grad_x + begin);
  });
}

template <class T>
void binary(Binary function, const T* a, const T* b, std::int64_t count, T* y) {
  const auto kernel = REIN_KERNEL_OF(T, binary);
  ranges(count,
         [&](std::int64_t begin, std::int64_t end) { kernel(function, a + begin, b + begin, end - begin, y + begin); });
}

template <class T>
void add_into(const T* a, const T* b, std::int64_t count, T* y) {
  ranges(count, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y[i] = a[i] + b[i];
  });
}

template <class T>
void scale(const T* x, T factor, std::int64_t count, T* y) {
  const auto kernel = REIN_KERNEL_OF(T, scale);
  ranges(count, [&](std::int64_t begin, std::int64_t end) { kernel(x + begin, factor, end - begin, y + begin); });
}

template <class T>
void broadcast(Binary function, const T* x, const T* b, std::int64_t rows, std::int64_t cols, T* y) {
  const auto kernel = REIN_KERNEL_OF(T, binary);
  // Wide rows (a position embedding) are cut inside the row, narrow ones into groups of rows.
  const std::int64_t width = std::max<std::int64_t>(1, std::min(cols, elementwise_grain));
  const std::int64_t pieces = (cols + width - 1) / width;
  const std::int64_t group = std::max<std::int64_t>(1, elementwise_grain / width);
  const std::int64_t groups = (rows + group - 1) / group;
  parallel_for(groups * pieces, [&](std::int64_t task) {
    const std::int64_t c = task % pieces * width, n = std::min(width, cols - c);
    const std::int64_t end = std::min(rows, (task / pieces + 1) * group);
    for (std::int64_t r = task / pieces * group; r < end; ++r)
      kernel(function, x + r * cols + c, b + c, n, y + r * cols + c);
  });
}

template <class T>
void sum_rows(const T* a, const T* b, std::int64_t rows, std::int64_t cols, T* out) {
  const auto kernel = REIN_KERNEL_OF(T, sum_rows);
  // Tiles of at most 64 rows x 512 columns; each makes one line of partial sums, added in row order (in double).
  constexpr std::int64_t tile_rows = 64, tile_cols = 512;
  const std::int64_t lines = std::max<std::int64_t>(1, (rows + tile_rows - 1) / tile_rows);
  const std::int64_t pieces = (cols + tile_cols - 1) / tile_cols;
  std::vector<T> partial(lines > 1 ? static_cast<std::size_t>(lines * cols) : 0);
  T* sums = lines > 1 ? partial.data() : out;
  parallel_for(lines * pieces, [&](std::int64_t task) {
    const std::int64_t line = task / pieces, c = task % pieces * tile_cols, r = line * tile_rows;
    const std::int64_t n = std::min(rows - r, tile_rows);
    kernel(a + r * cols + c, b != nullptr ? b + r * cols + c : nullptr, n, std::min(tile_cols, cols - c), cols,
           sums + line * cols + c);
  });
  if (lines == 1) return;
  for (std::int64_t c = 0; c < cols; ++c) {
    double sum = 0;
    for (std::int64_t line = 0; line < lines; ++line) sum += static_cast<double>(sums[line * cols + c]);
    out[c] = static_cast<T>(sum);
  }
}

#define REIN_INSTANTIATE(T)                                                            \
  template void unary(Unary, const T*, std::int64_t, T*);                              \
  template void unary_backward(Unary, const T*, const T*, std::int64_t, T*);           \
  template void binary(Binary, const T*, const T*, std::int64_t, T*);                  \
  template void add_into(const T*, const T*, std::int64_t, T*);                        \
  template void scale(const T*, T, std::int64_t, T*);                                  \
  template void broadcast(Binary, const T*, const T*, std::int64_t, std::int64_t, T*); \
  template void sum_rows(const T*, const T*, std::int64_t, std::int64_t, T*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
