// One pass each way. Sums (gamma, scale): every fixed range makes its own partial sum, then they are added in order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/elementwise/residual_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/cpu/simd-inl.h"
#include "tensor/ops/elementwise/residual_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

template <class T>
void run_residual(const T* x, const T* y, const T* gamma, std::int64_t rows, std::int64_t cols, T* out) {
  const hn::ScalableTag<T> tag;
  for (std::int64_t r = 0; r < rows; ++r, x += cols, y += cols, out += cols) {
    for_each_lane(tag, cols, [&](auto d, std::int64_t i) {
      store(hn::MulAdd(load(d, gamma + i), load(d, y + i), load(d, x + i)), d, out + i);
    });
  }
}

// sums: this range's line of partial sums of grad_gamma, zeroed by the caller; null when not wanted.
template <class T>
void run_residual_backward(const T* g, const T* y, const T* gamma, std::int64_t rows, std::int64_t cols, T* grad_y,
                           T* sums) {
  // Strips of columns, so that gamma and the sums of a strip stay in the first cache beside the rows that stream by.
  constexpr std::int64_t strip = 1024;
  for (std::int64_t begin = 0; begin < cols; begin += strip) {
    const std::int64_t width = cols - begin < strip ? cols - begin : strip;
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t at = r * cols;
      for_each_lane(hn::ScalableTag<T>(), width, [&](auto d, std::int64_t i) {
        const std::int64_t c = begin + i;
        const auto v = load(d, g + at + c);
        if (grad_y != nullptr) store(hn::Mul(v, load(d, gamma + c)), d, grad_y + at + c);
        if (sums != nullptr) store(hn::MulAdd(v, load(d, y + at + c), load(d, sums + c)), d, sums + c);
      });
    }
  }
}

template <class T>
void run_axpy(const T* x, const T* y, T scale, std::int64_t count, T* out) {
  for_each_lane(hn::ScalableTag<T>(), count, [&](auto d, std::int64_t i) {
    store(hn::MulAdd(hn::Set(d, scale), load(d, y + i), load(d, x + i)), d, out + i);
  });
}

// grad_y = scale * g, and the sum of g * y; either may be unwanted (grad_y null, y null).
template <class T>
T run_axpy_backward(const T* g, const T* y, T scale, std::int64_t count, T* grad_y) {
  const auto one_pass = [&](auto d, std::int64_t i) {
    const auto v = load(d, g + i);
    if (grad_y != nullptr) store(hn::Mul(v, hn::Set(d, scale)), d, grad_y + i);
    return v;
  };
  if (y != nullptr) {
    return sum_of<T>(count, [&](auto d, std::int64_t i) { return hn::Mul(one_pass(d, i), load(d, y + i)); });
  }
  for_each_lane(hn::ScalableTag<T>(), count, [&](auto d, std::int64_t i) { one_pass(d, i); });
  return T(0);
}

#define REIN_RESIDUAL_KERNELS(T, tag)                                                                         \
  void residual_##tag(const T* x, const T* y, const T* gamma, std::int64_t rows, std::int64_t cols, T* out) { \
    run_residual(x, y, gamma, rows, cols, out);                                                               \
  }                                                                                                           \
  void residual_backward_##tag(const T* g, const T* y, const T* gamma, std::int64_t rows, std::int64_t cols,  \
                               T* grad_y, T* sums) {                                                          \
    run_residual_backward(g, y, gamma, rows, cols, grad_y, sums);                                             \
  }                                                                                                           \
  void axpy_##tag(const T* x, const T* y, T scale, std::int64_t n, T* out) {                                  \
    run_axpy(x, y, scale, n, out);                                                                            \
  }                                                                                                           \
  T axpy_backward_##tag(const T* g, const T* y, T scale, std::int64_t n, T* grad_y) {                         \
    return run_axpy_backward(g, y, scale, n, grad_y);                                                         \
  }
REIN_RESIDUAL_KERNELS(float, f32)
REIN_RESIDUAL_KERNELS(double, f64)
#undef REIN_RESIDUAL_KERNELS

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
HWY_EXPORT(residual_f32);
HWY_EXPORT(residual_f64);
HWY_EXPORT(residual_backward_f32);
HWY_EXPORT(residual_backward_f64);
HWY_EXPORT(axpy_f32);
HWY_EXPORT(axpy_f64);
HWY_EXPORT(axpy_backward_f32);
HWY_EXPORT(axpy_backward_f64);

// Ranges [begin, end) of one batch's body: chunk `task` of all, elementwise_grain elements each.
struct Chunks {
  std::int64_t prefix, body;
  std::int64_t per_batch = (body + elementwise_grain - 1) / elementwise_grain;
  std::int64_t begin(std::int64_t task) const {
    return task / per_batch * (prefix + body) + prefix + task % per_batch * elementwise_grain;
  }
  std::int64_t size(std::int64_t task) const {
    return std::min(elementwise_grain, body - task % per_batch * elementwise_grain);
  }
};
}  // namespace

template <class T, class Y>
void residual(const T* x, const Y* y, const T* gamma, std::int64_t rows, std::int64_t cols, T* out) {
  if (gamma == nullptr) return scaled_residual<T>(x, y, nullptr, 1, 0, rows * cols, out);
  const auto kernel = REIN_KERNEL_OF(T, residual);
  const std::int64_t per_range = rows_per_range(cols);
  parallel_ranges(rows, per_range, [&](std::int64_t begin, std::int64_t end) {
    kernel(x + begin * cols, y + begin * cols, gamma, end - begin, cols, out + begin * cols);
  });
}

template <class T, class Y>
void residual_backward(const T* grad_out, const Y* y, const T* gamma, std::int64_t rows, std::int64_t cols, Y* grad_y,
                       T* grad_gamma) {
  const auto kernel = REIN_KERNEL_OF(T, residual_backward);
  const std::int64_t per_range = rows_per_range(cols);
  const std::int64_t lines = (rows + per_range - 1) / per_range;
  std::vector<T> partial(grad_gamma != nullptr ? static_cast<std::size_t>(lines * cols) : 0);
  parallel_ranges(rows, per_range, [&](std::int64_t begin, std::int64_t end) {
    kernel(grad_out + begin * cols, grad_gamma != nullptr ? y + begin * cols : nullptr, gamma, end - begin, cols,
           grad_y != nullptr ? grad_y + begin * cols : nullptr,
           grad_gamma != nullptr ? partial.data() + begin / per_range * cols : nullptr);
  });
  if (grad_gamma == nullptr) return;
  for (std::int64_t c = 0; c < cols; ++c) {
    double sum = 0;
    for (std::int64_t line = 0; line < lines; ++line)
      sum += static_cast<double>(partial[static_cast<std::size_t>(line * cols + c)]);
    grad_gamma[c] = static_cast<T>(sum);
  }
}

template <class T, class Y>
void scaled_residual(const T* x, const Y* y, const T* scale, std::int64_t batches, std::int64_t prefix,
                     std::int64_t body, T* out) {
  const auto kernel = REIN_KERNEL_OF(T, axpy);
  const Chunks chunks{prefix, body};
  const T factor = scale != nullptr ? *scale : T(1);
  parallel_for(batches * chunks.per_batch, [&](std::int64_t task) {
    const std::int64_t at = chunks.begin(task);
    kernel(x + at, y + at, factor, chunks.size(task), out + at);
  });
  for (std::int64_t n = 0; n < batches; ++n) std::copy_n(x + n * (prefix + body), prefix, out + n * (prefix + body));
}

template <class T, class Y>
void scaled_residual_backward(const T* grad_out, const Y* y, const T* scale, std::int64_t batches, std::int64_t prefix,
                              std::int64_t body, Y* grad_y, T* grad_scale) {
  const auto kernel = REIN_KERNEL_OF(T, axpy_backward);
  const Chunks chunks{prefix, body};
  const T factor = scale != nullptr ? *scale : T(1);
  std::vector<T> partial(static_cast<std::size_t>(batches * chunks.per_batch));
  parallel_for(batches * chunks.per_batch, [&](std::int64_t task) {
    const std::int64_t at = chunks.begin(task);
    partial[static_cast<std::size_t>(task)] = kernel(grad_out + at, grad_scale != nullptr ? y + at : nullptr, factor,
                                                     chunks.size(task), grad_y != nullptr ? grad_y + at : nullptr);
  });
  if (grad_y != nullptr) {
    for (std::int64_t n = 0; n < batches; ++n) std::fill_n(grad_y + n * (prefix + body), prefix, T(0));
  }
  if (grad_scale == nullptr) return;
  double sum = 0;
  for (const T p : partial) sum += static_cast<double>(p);
  *grad_scale = static_cast<T>(sum);
}

#define REIN_INSTANTIATE(T)                                                                                          \
  template void residual(const T*, const T*, const T*, std::int64_t, std::int64_t, T*);                              \
  template void residual_backward(const T*, const T*, const T*, std::int64_t, std::int64_t, T*, T*);                 \
  template void scaled_residual(const T*, const T*, const T*, std::int64_t, std::int64_t, std::int64_t, T*);         \
  template void scaled_residual_backward(const T*, const T*, const T*, std::int64_t, std::int64_t, std::int64_t, T*, \
                                         T*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
