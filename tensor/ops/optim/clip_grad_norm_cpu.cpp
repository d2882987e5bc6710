// Ranges of fixed size, their sums added in order: any number of threads gives the same bits.
#include "tensor/ops/optim/clip_grad_norm_kernels.h"

#include <cmath>
#include <vector>

#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {

template <class T>
double squares_of(const T* values, std::int64_t count) {
  const std::int64_t ranges = (count + elementwise_grain - 1) / elementwise_grain;
  std::vector<double> sums(static_cast<std::size_t>(ranges));
  parallel_ranges(count, elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
    double lanes[4] = {0, 0, 0, 0};  // four sums, so that additions do not wait for each other
    std::int64_t i = begin;
    for (; i + 4 <= end; i += 4)
      for (int k = 0; k < 4; ++k) lanes[k] += static_cast<double>(values[i + k]) * static_cast<double>(values[i + k]);
    double sum = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
    for (; i < end; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    sums[static_cast<std::size_t>(begin / elementwise_grain)] = sum;
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace

template <class T>
void sum_squares(std::span<const ClipSlot<T>> slots, bool add, double* squares) {
  double total = add ? *squares : 0;
  for (const ClipSlot<T>& s : slots) total += squares_of(s.from, s.count);
  *squares = total;
}

void norm_of_squares(const double* squares, double* norm) {
  *norm = std::sqrt(*squares);
}

template <class T>
void scale_to_norm(std::span<const ClipSlot<T>> slots, const double* norm, double max_norm) {
  const double factor = max_norm / (*norm + 1e-6);
  if (!std::isfinite(*norm) || factor >= 1) return;
  for (const ClipSlot<T>& s : slots) {
    parallel_ranges(s.count, elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) s.to[i] *= static_cast<T>(factor);
    });
  }
}

#define REIN_INSTANTIATE(T)                                               \
  template void sum_squares(std::span<const ClipSlot<T>>, bool, double*); \
  template void scale_to_norm(std::span<const ClipSlot<T>>, const double*, double)
REIN_INSTANTIATE(float);
REIN_INSTANTIATE(double);

}  // namespace rein::ops::cpu
