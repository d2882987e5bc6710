// Plain loops: Philox is integer work that dominates, and dropout touches small tensors here.
#include "tensor/ops/elementwise/dropout_kernels.h"

#include <vector>

#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {

template <class T>
void drop_sample(const T* x, RandomKey sample_key, double p, std::int64_t count, std::int64_t period, T* y) {
  const T kept = static_cast<T>(1.0 / (1.0 - p));
  if (period == count) {
    parallel_ranges(count, elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        y[i] = sample_key.uniform(static_cast<std::uint64_t>(i)) >= p ? x[i] * kept : T(0);
    });
    return;
  }
  std::vector<char> keep(static_cast<std::size_t>(period));
  for (std::size_t u = 0; u < keep.size(); ++u) keep[u] = sample_key.uniform(u) >= p;
  const std::int64_t rows = count / period;
  parallel_ranges(rows, elementwise_grain / period + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      for (std::int64_t u = 0; u < period; ++u)
        y[r * period + u] = keep[static_cast<std::size_t>(u)] != 0 ? x[r * period + u] * kept : T(0);
  });
}

}  // namespace

template <class T>
void dropout(const T* x, RandomKey key, std::int64_t first_sample, double p, std::int64_t samples, std::int64_t count,
             std::int64_t period, T* y) {
  for (std::int64_t n = 0; n < samples; ++n) {
    const RandomKey sample_key = key.child(static_cast<std::uint64_t>(first_sample + n));
    drop_sample(x + n * count, sample_key, p, count, period, y + n * count);
  }
}

template void dropout(const float*, RandomKey, std::int64_t, double, std::int64_t, std::int64_t, std::int64_t, float*);
template void dropout(const double*, RandomKey, std::int64_t, double, std::int64_t, std::int64_t, std::int64_t,
                      double*);

}  // namespace rein::ops::cpu
