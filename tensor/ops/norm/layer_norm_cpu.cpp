// One row at a time; rows are cut into fixed ranges, so results do not depend on the number of threads.
// Weight and bias gradients: each range sums its rows in order into its own line, then the lines are added in order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/norm/layer_norm_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/cpu/simd-inl.h"
#include "tensor/ops/norm/layer_norm_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

template <class T>
void forward_rows(const T* x, const T* weight, const T* bias, T eps, std::int64_t rows, std::int64_t cols, T* y,
                  T* mean, T* rstd) {
  const hn::ScalableTag<T> d;
  for (std::int64_t r = 0; r < rows; ++r, x += cols, y += cols) {
    const T m = sum_of<T>(cols, [&](auto v, std::int64_t i) { return load(v, x + i); }) / static_cast<T>(cols);
    const T variance = sum_of<T>(cols,
                                 [&](auto v, std::int64_t i) {
                                   const auto c = hn::Sub(load(v, x + i), hn::Set(v, m));
                                   return hn::Mul(c, c);
                                 }) /
                       static_cast<T>(cols);
    const T s = T(1) / sqrt_of(variance + eps);
    for_each_lane(d, cols, [&](auto v, std::int64_t i) {
      const auto xhat = hn::Mul(hn::Sub(load(v, x + i), hn::Set(v, m)), hn::Set(v, s));
      store(hn::MulAdd(xhat, load(v, weight + i), load(v, bias + i)), v, y + i);
    });
    mean[r] = m;
    rstd[r] = s;
  }
}

// sum_weight and sum_bias: this range's line of partial sums, zeroed by the caller; null when not wanted.
template <class T>
void backward_rows(const T* grad_out, const T* x, const T* weight, const T* mean, const T* rstd, std::int64_t rows,
                   std::int64_t cols, bool add, T* grad_x, T* sum_weight, T* sum_bias) {
  const hn::ScalableTag<T> d;
  for (std::int64_t r = 0; r < rows; ++r, x += cols, grad_out += cols) {
    const T m = mean[r], s = rstd[r];
    const auto xhat = [&](auto v, std::int64_t i) {
      return hn::Mul(hn::Sub(load(v, x + i), hn::Set(v, m)), hn::Set(v, s));
    };
    T mean_g = 0, mean_gx = 0;
    if (grad_x != nullptr) {
      two_sums_of<T>(
          cols,
          [&](auto v, std::int64_t i, auto& sum_g, auto& sum_gx) {
            sum_g = hn::Mul(load(v, grad_out + i), load(v, weight + i));
            sum_gx = hn::Mul(sum_g, xhat(v, i));
          },
          &mean_g, &mean_gx);
      mean_g /= static_cast<T>(cols);
      mean_gx /= static_cast<T>(cols);
    }
    // One pass for all that is wanted: the row is in the first cache now, the lines of sums stay there.
    T* out = grad_x != nullptr ? grad_x + r * cols : nullptr;
    for_each_lane(d, cols, [&](auto v, std::int64_t i) {
      const auto go = load(v, grad_out + i), xh = xhat(v, i);
      if (out != nullptr) {
        const auto g = hn::Mul(go, load(v, weight + i));
        const auto centred = hn::Sub(hn::Sub(g, hn::Set(v, mean_g)), hn::Mul(xh, hn::Set(v, mean_gx)));
        const auto value = hn::Mul(centred, hn::Set(v, s));
        store(add ? hn::Add(load(v, out + i), value) : value, v, out + i);
      }
      if (sum_weight != nullptr) store(hn::MulAdd(go, xh, load(v, sum_weight + i)), v, sum_weight + i);
      if (sum_bias != nullptr) store(hn::Add(load(v, sum_bias + i), go), v, sum_bias + i);
    });
  }
}

void forward_f32(const float* x, const float* weight, const float* bias, float eps, std::int64_t rows,
                 std::int64_t cols, float* y, float* mean, float* rstd) {
  forward_rows(x, weight, bias, eps, rows, cols, y, mean, rstd);
}
void forward_f64(const double* x, const double* weight, const double* bias, double eps, std::int64_t rows,
                 std::int64_t cols, double* y, double* mean, double* rstd) {
  forward_rows(x, weight, bias, eps, rows, cols, y, mean, rstd);
}
void backward_f32(const float* grad_out, const float* x, const float* weight, const float* mean, const float* rstd,
                  std::int64_t rows, std::int64_t cols, bool add, float* grad_x, float* sum_weight, float* sum_bias) {
  backward_rows(grad_out, x, weight, mean, rstd, rows, cols, add, grad_x, sum_weight, sum_bias);
}
void backward_f64(const double* grad_out, const double* x, const double* weight, const double* mean, const double* rstd,
                  std::int64_t rows, std::int64_t cols, bool add, double* grad_x, double* sum_weight,
                  double* sum_bias) {
  backward_rows(grad_out, x, weight, mean, rstd, rows, cols, add, grad_x, sum_weight, sum_bias);
}

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
HWY_EXPORT(forward_f32);
HWY_EXPORT(forward_f64);
HWY_EXPORT(backward_f32);
HWY_EXPORT(backward_f64);

}  // namespace

template <class T, class Y>
void layer_norm(const T* x, const T* weight, const T* bias, T eps, std::int64_t rows, std::int64_t cols, Y* y, T* mean,
                T* rstd) {
  const auto kernel = REIN_KERNEL_OF(T, forward);
  parallel_ranges(rows, rows_per_range(cols), [&](std::int64_t begin, std::int64_t end) {
    kernel(x + begin * cols, weight, bias, eps, end - begin, cols, y + begin * cols, mean + begin, rstd + begin);
  });
}

template <class T, class Y>
void layer_norm_backward(const Y* grad_out, const T* x, const T* weight, const T* mean, const T* rstd,
                         std::int64_t rows, std::int64_t cols, bool add, T* grad_x, T* grad_weight, T* grad_bias) {
  const auto kernel = REIN_KERNEL_OF(T, backward);
  const std::int64_t per_range = rows_per_range(cols), ranges = (rows + per_range - 1) / per_range;
  std::vector<T> partial_weight(grad_weight ? static_cast<std::size_t>(ranges * cols) : 0);
  std::vector<T> partial_bias(grad_bias ? static_cast<std::size_t>(ranges * cols) : 0);
  parallel_ranges(rows, per_range, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t line = begin / per_range * cols;
    kernel(grad_out + begin * cols, x + begin * cols, weight, mean + begin, rstd + begin, end - begin, cols, add,
           grad_x ? grad_x + begin * cols : nullptr, grad_weight ? partial_weight.data() + line : nullptr,
           grad_bias ? partial_bias.data() + line : nullptr);
  });
  const auto add_lines = [&](const std::vector<T>& lines, T* out) {
    if (out == nullptr) return;
    std::fill_n(out, cols, T(0));
    for (std::int64_t range = 0; range < ranges; ++range)
      for (std::int64_t c = 0; c < cols; ++c) out[c] += lines[static_cast<std::size_t>(range * cols + c)];
  };
  add_lines(partial_weight, grad_weight);
  add_lines(partial_bias, grad_bias);
}

template void layer_norm(const float*, const float*, const float*, float, std::int64_t, std::int64_t, float*, float*,
                         float*);
template void layer_norm(const double*, const double*, const double*, double, std::int64_t, std::int64_t, double*,
                         double*, double*);
template void layer_norm_backward(const float*, const float*, const float*, const float*, const float*, std::int64_t,
                                  std::int64_t, bool, float*, float*, float*);
template void layer_norm_backward(const double*, const double*, const double*, const double*, const double*,
                                  std::int64_t, std::int64_t, bool, double*, double*, double*);

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
