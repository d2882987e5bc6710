// One row (the K logits of a pixel) at a time: whole vectors, then the rest under a mask, so that K = 19 costs two
// AVX-512 vectors. Rows are cut into fixed ranges; losses are added in double, range by range.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/loss/cross_entropy_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/cpu/math-inl.h"
#include "tensor/cpu/simd-inl.h"
#include "tensor/ops/loss/cross_entropy_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

HWY_INLINE float log_of(float x) {
  return __builtin_logf(x);
}
HWY_INLINE double log_of(double x) {
  return __builtin_log(x);
}

// body(values, mask, i) for the vectors of a row; lanes outside of the mask hold `fill`.
template <class D, class T, class F>
HWY_INLINE void for_each_vector(D d, const T* row, std::int64_t classes, T fill, F&& body) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= classes; i += lanes) body(load(d, row + i), hn::FirstN(d, static_cast<std::size_t>(lanes)), i);
  if (i < classes) {
    const auto mask = hn::FirstN(d, static_cast<std::size_t>(classes - i));
    body(hn::IfThenElse(mask, hn::MaskedLoad(mask, d, row + i), hn::Set(d, fill)), mask, i);
  }
}

// The largest element; which one a NaN gives is open, because the exponentials of the row carry the NaN on.
template <class D, class T>
HWY_INLINE T row_max(D d, const T* row, std::int64_t classes) {
  auto m = hn::Set(d, row[0]);
  for_each_vector(d, row, classes, row[0], [&](auto v, auto, std::int64_t) { m = hn::Max(m, v); });
  return hn::GetLane(hn::MaxOfLanes(d, m));
}

template <class T>
double forward_rows(const T* logits, const std::int64_t* labels, std::int64_t rows, std::int64_t classes,
                    std::int64_t ignore, T* log_sum) {
  const hn::ScalableTag<T> d;
  double loss = 0;
  for (std::int64_t r = 0; r < rows; ++r, logits += classes) {
    if (labels[r] == ignore) {
      log_sum[r] = T(0);
      continue;
    }
    const T m = row_max(d, logits, classes);
    auto sum = hn::Zero(d);
    for_each_vector(d, logits, classes, T(0), [&](auto v, auto mask, std::int64_t) {
      sum = hn::Add(sum, hn::IfThenElseZero(mask, exp_small(d, hn::Sub(v, hn::Set(d, m)))));
    });
    const T s = log_of(hn::GetLane(hn::SumOfLanes(d, sum)));
    log_sum[r] = s;
    loss += static_cast<double>(s) - (static_cast<double>(logits[labels[r]]) - static_cast<double>(m));
  }
  return loss;
}

template <class T>
void backward_rows(const T* logits, const std::int64_t* labels, const T* log_sum, std::int64_t rows,
                   std::int64_t classes, std::int64_t ignore, T scale, T* grad) {
  const hn::ScalableTag<T> d;
  for (std::int64_t r = 0; r < rows; ++r, logits += classes, grad += classes) {
    if (labels[r] == ignore) {
      for (std::int64_t k = 0; k < classes; ++k) grad[k] = T(0);
      continue;
    }
    const T m = row_max(d, logits, classes);
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    for_each_vector(d, logits, classes, T(0), [&](auto v, auto mask, std::int64_t i) {
      const auto p = exp_small(d, hn::Sub(hn::Sub(v, hn::Set(d, m)), hn::Set(d, log_sum[r])));
      const auto g = hn::Mul(p, hn::Set(d, scale));
      if (i + lanes <= classes)
        store(g, d, grad + i);
      else
        hn::BlendedStore(g, mask, d, grad + i);
    });
    grad[labels[r]] -= scale;
  }
}

template <class T>
std::int64_t row_argmax(const T* row, std::int64_t classes) {
  const hn::ScalableTag<T> d;
  auto m = hn::Set(d, row[0]);
  auto unordered = hn::IsNaN(m);
  for_each_vector(d, row, classes, row[0], [&](auto v, auto, std::int64_t) {
    unordered = hn::Or(unordered, hn::IsNaN(v));
    m = hn::Max(m, v);
  });
  const bool has_nan = !hn::AllFalse(d, unordered);
  const auto top = hn::Set(d, hn::GetLane(hn::MaxOfLanes(d, m)));
  std::int64_t found = -1;
  for_each_vector(d, row, classes, row[0], [&](auto v, auto mask, std::int64_t i) {
    if (found >= 0) return;
    const auto wanted = has_nan ? hn::IsNaN(v) : hn::Eq(v, top);
    const auto place = hn::FindFirstTrue(d, hn::And(wanted, mask));
    if (place >= 0) found = i + static_cast<std::int64_t>(place);
  });
  return found;
}

template <class T>
void argmax_rows(const T* logits, std::int64_t rows, std::int64_t classes, std::int64_t* ids) {
  for (std::int64_t r = 0; r < rows; ++r) ids[r] = row_argmax(logits + r * classes, classes);
}

#define REIN_CROSS_ENTROPY_KERNELS(T, suffix)                                                                        \
  double forward_rows_##suffix(const T* logits, const std::int64_t* labels, std::int64_t rows, std::int64_t classes, \
                               std::int64_t ignore, T* log_sum) {                                                    \
    return forward_rows(logits, labels, rows, classes, ignore, log_sum);                                             \
  }                                                                                                                  \
  void backward_rows_##suffix(const T* logits, const std::int64_t* labels, const T* log_sum, std::int64_t rows,      \
                              std::int64_t classes, std::int64_t ignore, T scale, T* grad) {                         \
    backward_rows(logits, labels, log_sum, rows, classes, ignore, scale, grad);                                      \
  }                                                                                                                  \
  void argmax_rows_##suffix(const T* logits, std::int64_t rows, std::int64_t classes, std::int64_t* ids) {           \
    argmax_rows(logits, rows, classes, ids);                                                                         \
  }
REIN_CROSS_ENTROPY_KERNELS(float, f32)
REIN_CROSS_ENTROPY_KERNELS(double, f64)
#undef REIN_CROSS_ENTROPY_KERNELS

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
HWY_EXPORT(forward_rows_f32);
HWY_EXPORT(forward_rows_f64);
HWY_EXPORT(backward_rows_f32);
HWY_EXPORT(backward_rows_f64);
HWY_EXPORT(argmax_rows_f32);
HWY_EXPORT(argmax_rows_f64);

std::int64_t ranges(std::int64_t rows, std::int64_t per_range) {
  return (rows + per_range - 1) / per_range;
}
}  // namespace

std::int64_t first_bad_label(const std::int64_t* labels, std::int64_t rows, std::int64_t classes, std::int64_t ignore) {
  std::vector<std::int64_t> bad(static_cast<std::size_t>(ranges(rows, elementwise_grain)), -1);
  parallel_ranges(rows, elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
    const auto limit = static_cast<std::uint64_t>(classes);
    int any = 0;
    for (std::int64_t r = begin; r < end; ++r) {
      any |= static_cast<int>(static_cast<std::uint64_t>(labels[r]) >= limit) & static_cast<int>(labels[r] != ignore);
    }
    for (std::int64_t r = begin; any != 0 && r < end; ++r) {
      if (static_cast<std::uint64_t>(labels[r]) < limit || labels[r] == ignore) continue;
      bad[static_cast<std::size_t>(begin / elementwise_grain)] = r;
      break;
    }
  });
  const auto first = std::ranges::find_if(bad, [](std::int64_t r) { return r >= 0; });
  return first == bad.end() ? -1 : *first;
}

template <class T>
void cross_entropy(const T* logits, const std::int64_t* labels, std::int64_t rows, std::int64_t classes,
                   std::int64_t ignore, double divisor, T* log_sum, T* loss) {
  const std::int64_t per_range = rows_per_range(classes);
  std::vector<double> losses(static_cast<std::size_t>(ranges(rows, per_range)));
  const auto kernel = REIN_KERNEL_OF(T, forward_rows);
  parallel_ranges(rows, per_range, [&](std::int64_t begin, std::int64_t end) {
    losses[static_cast<std::size_t>(begin / per_range)] =
        kernel(logits + begin * classes, labels + begin, end - begin, classes, ignore, log_sum + begin);
  });
  double sum = 0;
  for (const double part : losses) sum += part;
  *loss = static_cast<T>(sum / divisor);
}

template <class T>
void cross_entropy_backward(const T* grad_out, const T* logits, const std::int64_t* labels, const T* log_sum,
                            std::int64_t rows, std::int64_t classes, std::int64_t ignore, double divisor,
                            T* grad_logits) {
  const T scale = static_cast<T>(static_cast<double>(*grad_out) / divisor);
  const auto kernel = REIN_KERNEL_OF(T, backward_rows);
  parallel_ranges(rows, rows_per_range(classes), [&](std::int64_t begin, std::int64_t end) {
    kernel(logits + begin * classes, labels + begin, log_sum + begin, end - begin, classes, ignore, scale,
           grad_logits + begin * classes);
  });
}

template <class T, class Id>
void argmax_last(const T* logits, std::int64_t rows, std::int64_t classes, Id* ids) {
  const auto kernel = REIN_KERNEL_OF(T, argmax_rows);
  parallel_ranges(rows, rows_per_range(classes), [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> found(static_cast<std::size_t>(end - begin));
    kernel(logits + begin * classes, end - begin, classes, found.data());
    for (std::int64_t r = begin; r < end; ++r) ids[r] = static_cast<Id>(found[static_cast<std::size_t>(r - begin)]);
  });
}

template <class T>
void count_hits(const T* logits, const std::int64_t* labels, std::int64_t rows, std::int64_t classes,
                std::int64_t ignore, std::int64_t* counts) {
  const std::int64_t per_range = rows_per_range(classes), parts = ranges(rows, per_range);
  std::vector<std::int64_t> hits(static_cast<std::size_t>(parts)), seen(static_cast<std::size_t>(parts));
  const auto kernel = REIN_KERNEL_OF(T, argmax_rows);
  parallel_ranges(rows, per_range, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> found(static_cast<std::size_t>(end - begin));
    kernel(logits + begin * classes, end - begin, classes, found.data());
    std::int64_t h = 0, s = 0;
    for (std::int64_t r = begin; r < end; ++r) {
      s += labels[r] != ignore;
      h += labels[r] != ignore && found[static_cast<std::size_t>(r - begin)] == labels[r];
    }
    hits[static_cast<std::size_t>(begin / per_range)] = h;
    seen[static_cast<std::size_t>(begin / per_range)] = s;
  });
  counts[0] = counts[1] = 0;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    counts[0] += hits[i];
    counts[1] += seen[i];
  }
}

#define REIN_INSTANTIATE(T)                                                                                           \
  template void cross_entropy(const T*, const std::int64_t*, std::int64_t, std::int64_t, std::int64_t, double, T*,    \
                              T*);                                                                                    \
  template void cross_entropy_backward(const T*, const T*, const std::int64_t*, const T*, std::int64_t, std::int64_t, \
                                       std::int64_t, double, T*);                                                     \
  template void argmax_last(const T*, std::int64_t, std::int64_t, std::int64_t*);                                     \
  template void argmax_last(const T*, std::int64_t, std::int64_t, std::uint8_t*);                                     \
  template void count_hits(const T*, const std::int64_t*, std::int64_t, std::int64_t, std::int64_t, std::int64_t*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)
#undef REIN_INSTANTIATE

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
