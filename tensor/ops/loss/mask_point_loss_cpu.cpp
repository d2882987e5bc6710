// One exponential per point serves softplus, sigmoid and its derivative: with e = exp(-|z|) in (0, 1],
//   softplus = max(z, 0) + log1p(e),  s = 1 / (1 + e) or e / (1 + e),  s (1 - s) = e / (1 + e)^2,
// none of which cancels or overflows. Rows are tasks; chunks of a row are summed in T, chunks in double, in order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/loss/mask_point_loss_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/cpu/math-inl.h"
#include "tensor/cpu/simd-inl.h"
#include "tensor/ops/loss/mask_point_loss_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

// log(1 + e) for e in [0, 1]: 2 artanh(q) with q = e / (2 + e) <= 1/3; the first term left out is 1.4e-9 of the whole.
template <class D>
HWY_INLINE hn::Vec<D> log1p_unit(D d, hn::Vec<D> e) {
  using T = hn::TFromD<D>;
  if constexpr (sizeof(T) == 8) {
    return map_lanes(d, e, [](double v) { return __builtin_log1p(v); });
  } else {
    const auto q = hn::Div(e, hn::Add(e, hn::Set(d, T(2)))), q2 = hn::Mul(q, q);
    const auto series =
        horner(d, hn::Set(d, 1.0f / 15), q2, 1.0f / 13, 1.0f / 11, 1.0f / 9, 1.0f / 7, 1.0f / 5, 1.0f / 3, 1.0f);
    return hn::Mul(hn::Add(q, q), series);
  }
}

template <class D>
struct Logistic {
  hn::Vec<D> e, r, s;  // exp(-|z|), 1 / (1 + e), sigmoid
  HWY_INLINE Logistic(D d, hn::Vec<D> z) {
    using T = hn::TFromD<D>;
    const auto one = hn::Set(d, T(1));
    e = exp_small(d, hn::Neg(hn::Abs(z)));
    r = hn::Div(one, hn::Add(one, e));
    s = hn::IfThenElse(hn::Lt(z, hn::Zero(d)), hn::Mul(e, r), r);
  }
  HWY_INLINE hn::Vec<D> softplus(D d, hn::Vec<D> z) const { return hn::Add(hn::Max(z, hn::Zero(d)), log1p_unit(d, e)); }
};

template <class T>
void point_sums(const T* z, const T* g, std::int64_t count, double* sums) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto bce = hn::Zero(d), sg = hn::Zero(d), ss = hn::Zero(d), gg = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto v = load(d, z + i), target = load(d, g + i);
    const Logistic<hn::ScalableTag<T>> l(d, v);
    bce = hn::Add(bce, hn::Sub(l.softplus(d, v), hn::Mul(v, target)));
    sg = hn::Add(sg, hn::Mul(l.s, target));
    ss = hn::Add(ss, l.s);
    gg = hn::Add(gg, target);
  }
  sums[0] += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, bce)));
  sums[1] += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sg)));
  sums[2] += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, ss)));
  sums[3] += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, gg)));
  const hn::CappedTag<T, 1> one;
  for (; i < count; ++i) {
    const auto v = load(one, z + i), target = load(one, g + i);
    const Logistic<hn::CappedTag<T, 1>> l(one, v);
    sums[0] += static_cast<double>(hn::GetLane(hn::Sub(l.softplus(one, v), hn::Mul(v, target))));
    sums[1] += static_cast<double>(hn::GetLane(hn::Mul(l.s, target)));
    sums[2] += static_cast<double>(hn::GetLane(l.s));
    sums[3] += static_cast<double>(g[i]);
  }
}

template <class T>
void point_grads(const T* z, const T* g, std::int64_t count, T bce, T a, T b, T* grad) {
  for_each_lane(hn::ScalableTag<T>(), count, [&](auto d, std::int64_t i) {
    const auto v = load(d, z + i), target = load(d, g + i);
    const Logistic<decltype(d)> l(d, v);
    const auto slope = hn::Mul(l.e, hn::Mul(l.r, l.r));
    const auto dice = hn::Mul(hn::NegMulAdd(hn::Set(d, b), target, hn::Set(d, a)), slope);
    store(hn::MulAdd(hn::Set(d, bce), hn::Sub(l.s, target), dice), d, grad + i);
  });
}

template <class T>
void cost_terms(const T* z, std::int64_t count, T* sigmoid, double* sums) {
  T softplus, s;
  two_sums_of(
      count,
      [&](auto d, std::int64_t i, auto& term_a, auto& term_b) {
        const auto v = load(d, z + i);
        const Logistic<decltype(d)> l(d, v);
        store(l.s, d, sigmoid + i);
        term_a = l.softplus(d, v);
        term_b = l.s;
      },
      &softplus, &s);
  sums[0] += static_cast<double>(softplus);
  sums[1] += static_cast<double>(s);
}

#define REIN_MASK_POINT_KERNELS(T, suffix)                                                          \
  void point_sums_##suffix(const T* z, const T* g, std::int64_t count, double* sums) {              \
    point_sums(z, g, count, sums);                                                                  \
  }                                                                                                 \
  void point_grads_##suffix(const T* z, const T* g, std::int64_t count, T bce, T a, T b, T* grad) { \
    point_grads(z, g, count, bce, a, b, grad);                                                      \
  }                                                                                                 \
  void cost_terms_##suffix(const T* z, std::int64_t count, T* sigmoid, double* sums) {              \
    cost_terms(z, count, sigmoid, sums);                                                            \
  }
REIN_MASK_POINT_KERNELS(float, f32)
REIN_MASK_POINT_KERNELS(double, f64)
#undef REIN_MASK_POINT_KERNELS

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
HWY_EXPORT(point_sums_f32);
HWY_EXPORT(point_sums_f64);
HWY_EXPORT(point_grads_f32);
HWY_EXPORT(point_grads_f64);
HWY_EXPORT(cost_terms_f32);
HWY_EXPORT(cost_terms_f64);

constexpr std::int64_t sum_chunk = 1024;
}  // namespace

template <class T>
void mask_point_loss(const T* z, const T* g, const std::int64_t* ids, std::int64_t rows, std::int64_t cols,
                     double bce_divisor, double dice_divisor, T* bce, T* dice, double* sums) {
  const auto kernel = REIN_KERNEL_OF(T, point_sums);
  std::vector<double> of_rows(static_cast<std::size_t>(4 * rows), 0.0);
  const auto absent = [&](std::int64_t r) { return ids != nullptr && ids[r] < 0; };
  parallel_for(rows, [&](std::int64_t r) {
    if (absent(r)) return;
    for (std::int64_t c = 0; c < cols; c += sum_chunk)
      kernel(z + r * cols + c, g + r * cols + c, std::min(sum_chunk, cols - c), of_rows.data() + 4 * r);
  });
  double bce_sum = 0, dice_sum = 0;
  const double* of_row = of_rows.data();
  for (std::int64_t r = 0; r < rows; ++r, of_row += 4, sums += 2) {
    bce_sum += of_row[0];
    sums[0] = of_row[1];
    sums[1] = of_row[2] + of_row[3];
    if (absent(r)) continue;
    dice_sum += 1 - (2 * sums[0] + 1) / (sums[1] + 1);
  }
  *bce = static_cast<T>(bce_sum / bce_divisor);
  *dice = static_cast<T>(dice_sum / dice_divisor);
}

// d/ds of 1 - n / d with n = 2 sum s g + 1, d = sum s + sum g + 1: n / d^2 - 2 g / d.
template <class T>
void mask_point_loss_backward(const T* grad_bce, const T* grad_dice, const T* z, const T* g, const std::int64_t* ids,
                              const double* sums, std::int64_t rows, std::int64_t cols, double bce_divisor,
                              double dice_divisor, T* grad_z) {
  const auto kernel = REIN_KERNEL_OF(T, point_grads);
  const double bce = grad_bce != nullptr ? static_cast<double>(*grad_bce) / bce_divisor : 0;
  const double dice = grad_dice != nullptr ? static_cast<double>(*grad_dice) / dice_divisor : 0;
  parallel_for(rows, [&](std::int64_t r) {
    if (ids != nullptr && ids[r] < 0) {
      std::fill_n(grad_z + r * cols, cols, T(0));
      return;
    }
    const double n = 2 * sums[2 * r] + 1, d = sums[2 * r + 1] + 1;
    kernel(z + r * cols, g + r * cols, cols, static_cast<T>(bce), static_cast<T>(dice * n / (d * d)),
           static_cast<T>(dice * 2 / d), grad_z + r * cols);
  });
}

template <class T>
void mask_cost_terms(const T* z, std::int64_t rows, std::int64_t cols, T* sigmoid, double* sums) {
  const auto kernel = REIN_KERNEL_OF(T, cost_terms);
  parallel_for(rows, [&](std::int64_t r) {
    double* to = sums + 2 * r;
    std::fill_n(to, 2, 0.0);
    for (std::int64_t c = 0; c < cols; c += sum_chunk)
      kernel(z + r * cols + c, std::min(sum_chunk, cols - c), sigmoid + r * cols + c, to);
  });
}

template <class T>
void mask_costs(const MaskCosts<T>& of, double* cost, double* slots) {
  for (std::int64_t q = 0; q < of.images * of.queries; ++q)
    for (std::int64_t t = 0; t < of.targets; ++t)
      cost[q * of.targets + t] = slots[q * of.slots + of.classes[t]] = of.at(q, t);
}

#define REIN_INSTANTIATE(T)                                                                                          \
  template void mask_point_loss(const T*, const T*, const std::int64_t*, std::int64_t, std::int64_t, double, double, \
                                T*, T*, double*);                                                                    \
  template void mask_point_loss_backward(const T*, const T*, const T*, const T*, const std::int64_t*, const double*, \
                                         std::int64_t, std::int64_t, double, double, T*);                            \
  template void mask_costs(const MaskCosts<T>&, double*, double*);                                                   \
  template void mask_cost_terms(const T*, std::int64_t, std::int64_t, T*, double*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)
#undef REIN_INSTANTIATE

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
