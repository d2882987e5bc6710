#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/peak.cpp"
#include "tensor/peak.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace rein::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md
namespace hn = hwy::HWY_NAMESPACE;

// Twelve independent chains hide the latency of a multiply-add. Returns the multiply-adds per step, in lanes.
int spin(long steps, float* out) {
  const hn::ScalableTag<float> d;
  constexpr int chains = 12;
  hn::Vec<decltype(d)> sum[chains];
#pragma GCC unroll 12
  for (int i = 0; i < chains; ++i) sum[i] = hn::Set(d, 1.0f + static_cast<float>(i));
  const auto factor = hn::Set(d, out[0]), term = hn::Set(d, out[1]);
  for (long step = 0; step < steps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < chains; ++i) sum[i] = hn::MulAdd(sum[i], factor, term);
  }
#pragma GCC unroll 12
  for (int i = 1; i < chains; ++i) sum[0] = hn::Add(sum[0], sum[i]);
  out[2] = hn::GetLane(sum[0]);
  return chains * static_cast<int>(hn::Lanes(d));
}

}  // namespace
}  // namespace rein::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <omp.h>

#include <algorithm>
#include <chrono>

#include "tensor/error.h"

namespace rein {
namespace {
HWY_EXPORT(spin);
}

double measure_fma_peak_gflops(int threads) {
  require(threads >= 1, "peak", "threads must be at least 1, got ", threads);
  constexpr long steps = 400000;
  double best = 0;
  for (int round = 0; round < 8; ++round) {
    using Clock = std::chrono::steady_clock;
    Clock::time_point begin = Clock::time_point::max(), end = Clock::time_point::min();
    int products = 0;
    float kept = 0;
#pragma omp parallel num_threads(threads) reduction(+ : kept)
    {
      float values[3] = {0.5f, 0.25f, 0.0f};
#pragma omp barrier
      const auto from = Clock::now();
      const int lanes = HWY_DYNAMIC_DISPATCH(spin)(steps, values);
      const auto to = Clock::now();
      kept += values[2];
#pragma omp critical
      {
        begin = std::min(begin, from);
        end = std::max(end, to);
        products += lanes;
      }
    }
    const double seconds = std::chrono::duration<double>(end - begin).count();
    if (kept > 0 && seconds > 0) best = std::max(best, 2e-9 * steps * products / seconds);
  }
  return best;
}

}  // namespace rein
#endif  // HWY_ONCE
