// One row at a time, cut into fixed ranges of rows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/elementwise/swiglu_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/ops/elementwise/elementwise_functions-inl.h"
#include "tensor/ops/elementwise/swiglu_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

template <class T>
void forward_rows(const T* x, std::int64_t rows, std::int64_t cols, T* y) {
  for (std::int64_t r = 0; r < rows; ++r, x += 2 * cols, y += cols)
    for_each_lane(hn::ScalableTag<T>(), cols, [&](auto d, std::int64_t i) {
      store(hn::Mul(Silu::f(d, load(d, x + i)), load(d, x + cols + i)), d, y + i);
    });
}
template <class T>
void backward_rows(const T* g, const T* x, std::int64_t rows, std::int64_t cols, T* gx) {
  for (std::int64_t r = 0; r < rows; ++r, x += 2 * cols, gx += 2 * cols, g += cols)
    for_each_lane(hn::ScalableTag<T>(), cols, [&](auto d, std::int64_t i) {
      const auto go = load(d, g + i), a = load(d, x + i);
      store(Silu::df(d, hn::Mul(go, load(d, x + cols + i)), a), d, gx + i);
      store(hn::Mul(go, Silu::f(d, a)), d, gx + cols + i);
    });
}

#define REIN_SWIGLU_KERNELS(T, tag)                                                          \
  void forward_##tag(const T* x, std::int64_t rows, std::int64_t cols, T* y) {               \
    forward_rows(x, rows, cols, y);                                                          \
  }                                                                                          \
  void backward_##tag(const T* g, const T* x, std::int64_t rows, std::int64_t cols, T* gx) { \
    backward_rows(g, x, rows, cols, gx);                                                     \
  }
REIN_SWIGLU_KERNELS(float, f32)
REIN_SWIGLU_KERNELS(double, f64)
#undef REIN_SWIGLU_KERNELS

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "tensor/cpu/dispatch.h"
#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {
HWY_EXPORT(forward_f32);
HWY_EXPORT(forward_f64);
HWY_EXPORT(backward_f32);
HWY_EXPORT(backward_f64);

}  // namespace

template <class T, class Y>
void swiglu(const T* x, std::int64_t rows, std::int64_t cols, Y* y) {
  const auto kernel = REIN_KERNEL_OF(T, forward);
  parallel_ranges(rows, rows_per_range(cols), [&](std::int64_t begin, std::int64_t end) {
    kernel(x + 2 * begin * cols, end - begin, cols, y + begin * cols);
  });
}

template <class Y, class T>
void swiglu_backward(const Y* grad_out, const T* x, std::int64_t rows, std::int64_t cols, T* grad_x) {
  const auto kernel = REIN_KERNEL_OF(T, backward);
  parallel_ranges(rows, rows_per_range(cols), [&](std::int64_t begin, std::int64_t end) {
    kernel(grad_out + begin * cols, x + 2 * begin * cols, end - begin, cols, grad_x + 2 * begin * cols);
  });
}

template void swiglu(const float*, std::int64_t, std::int64_t, float*);
template void swiglu(const double*, std::int64_t, std::int64_t, double*);
template void swiglu_backward(const float*, const float*, std::int64_t, std::int64_t, float*);
template void swiglu_backward(const double*, const double*, std::int64_t, std::int64_t, double*);

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
