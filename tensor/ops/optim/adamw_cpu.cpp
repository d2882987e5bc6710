// Elementwise in ranges of fixed size: any number of threads gives the same bits.
#include "tensor/ops/optim/adamw_kernels.h"

#include <cmath>

#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {

template <class T>
void update(std::int64_t count, const AdamWSlot<T>& s, const AdamWRule<T>& f, const T* __restrict grad,
            T* __restrict param, T* __restrict m, T* __restrict v) {
  for (std::int64_t i = 0; i < count; ++i) {
    const T g = grad[i];
    m[i] = f.beta1 * m[i] + f.one_minus_beta1 * g;
    v[i] = f.beta2 * v[i] + f.one_minus_beta2 * (g * g);
    param[i] = s.keep * param[i] - s.step_size * (m[i] / (std::sqrt(v[i]) / s.root + f.eps));
  }
}

}  // namespace

template <class T>
void adamw(std::span<const AdamWSlot<T>> slots, const AdamWRule<T>& rule) {
  for (const AdamWSlot<T>& s : slots) {
    parallel_ranges(s.count, elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
      update<T>(end - begin, s, rule, s.grad + begin, s.param + begin, s.m + begin, s.v + begin);
    });
  }
}

template void adamw(std::span<const AdamWSlot<float>>, const AdamWRule<float>&);
template void adamw(std::span<const AdamWSlot<double>>, const AdamWRule<double>&);

}  // namespace rein::ops::cpu
