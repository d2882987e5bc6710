// One row at a time (three reads of a row that stays in the first cache); rows are cut into fixed ranges.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/norm/softmax_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/cpu/math-inl.h"
#include "tensor/ops/norm/softmax_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

template <class T>
void run_softmax(const T* x, T factor, std::int64_t rows, std::int64_t cols, T* y) {
  const hn::ScalableTag<T> tag;
  for (std::int64_t r = 0; r < rows; ++r, x += cols, y += cols) {
    const T top = max_of<T>(cols, [&](auto d, std::int64_t i) { return load(d, x + i); });
    const T sum = sum_of<T>(cols, [&](auto d, std::int64_t i) {
      const auto e = exp_small(d, hn::Mul(hn::Sub(load(d, x + i), hn::Set(d, top)), hn::Set(d, factor)));
      store(e, d, y + i);
      return e;
    });
    const T inverse = T(1) / sum;
    for_each_lane(tag, cols,
                  [&](auto d, std::int64_t i) { store(hn::Mul(load(d, y + i), hn::Set(d, inverse)), d, y + i); });
  }
}

template <class T>
void run_softmax_backward(const T* g, const T* y, T factor, std::int64_t rows, std::int64_t cols, T* gx) {
  const hn::ScalableTag<T> tag;
  for (std::int64_t r = 0; r < rows; ++r, g += cols, y += cols, gx += cols) {
    const T dot = sum_of<T>(cols, [&](auto d, std::int64_t i) { return hn::Mul(load(d, g + i), load(d, y + i)); });
    for_each_lane(tag, cols, [&](auto d, std::int64_t i) {
      const auto p = hn::Mul(load(d, y + i), hn::Set(d, factor));
      store(hn::Mul(p, hn::Sub(load(d, g + i), hn::Set(d, dot))), d, gx + i);
    });
  }
}

#define REIN_SOFTMAX_KERNELS(T, tag)                                                                           \
  void softmax_##tag(const T* x, T factor, std::int64_t rows, std::int64_t cols, T* y) {                       \
    run_softmax(x, factor, rows, cols, y);                                                                     \
  }                                                                                                            \
  void softmax_backward_##tag(const T* g, const T* y, T factor, std::int64_t rows, std::int64_t cols, T* gx) { \
    run_softmax_backward(g, y, factor, rows, cols, gx);                                                        \
  }
REIN_SOFTMAX_KERNELS(float, f32)
REIN_SOFTMAX_KERNELS(double, f64)
#undef REIN_SOFTMAX_KERNELS

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "tensor/cpu/dispatch.h"
#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {
HWY_EXPORT(softmax_f32);
HWY_EXPORT(softmax_f64);
HWY_EXPORT(softmax_backward_f32);
HWY_EXPORT(softmax_backward_f64);
}  // namespace

template <class T>
void softmax(const T* x, T factor, std::int64_t rows, std::int64_t cols, T* y) {
  const auto kernel = REIN_KERNEL_OF(T, softmax);
  parallel_ranges(rows, rows_per_range(cols), [&](std::int64_t begin, std::int64_t end) {
    kernel(x + begin * cols, factor, end - begin, cols, y + begin * cols);
  });
}

template <class T>
void softmax_backward(const T* grad_out, const T* y, T factor, std::int64_t rows, std::int64_t cols, T* grad_x) {
  const auto kernel = REIN_KERNEL_OF(T, softmax_backward);
  parallel_ranges(rows, rows_per_range(cols), [&](std::int64_t begin, std::int64_t end) {
    kernel(grad_out + begin * cols, y + begin * cols, factor, end - begin, cols, grad_x + begin * cols);
  });
}

#define REIN_INSTANTIATE(T)                                           \
  template void softmax(const T*, T, std::int64_t, std::int64_t, T*); \
  template void softmax_backward(const T*, const T*, T, std::int64_t, std::int64_t, T*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
