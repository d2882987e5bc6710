#include "train/clip.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "tensor/error.h"
#include "tensor/parallel.h"

namespace rein::train {
namespace {

template <class T>
double sum_of_squares(const T* values, std::int64_t count) {
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

double gradient_norm(std::span<const Variable> params) {
  double total = 0;
  for (const Variable& param : params) {
    const Tensor grad = param.grad();
    if (!grad) continue;
    total +=
        dispatch_real("clip", grad.dtype(), [&]<class T>() { return sum_of_squares(grad.data<T>(), grad.count()); });
  }
  return std::sqrt(total);
}

double clip_gradients(std::span<const Variable> params, double max_norm) {
  require(max_norm > 0, "clip", "max_norm must be above 0, got ", max_norm);
  const double norm = gradient_norm(params);
  const double factor = max_norm / (norm + 1e-6);
  if (!std::isfinite(norm) || factor >= 1) return norm;
  for (const Variable& param : params) {
    Tensor grad = param.grad();
    if (!grad) continue;
    dispatch_real("clip", grad.dtype(), [&]<class T>() {
      T* g = grad.mutable_data<T>();
      const T f = static_cast<T>(factor);
      parallel_ranges(grad.count(), elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) g[i] *= f;
      });
    });
  }
  return norm;
}

}  // namespace rein::train
