#include "models/heads/head.h"

#include <limits>

namespace rein::models {

LossScope& LossScope::operator+=(const LossScope& other) {
  total_pixels += other.total_pixels;
  masks += other.masks;
  class_weight += other.class_weight;
  return *this;
}

double PixelAccuracy::percent() const {
  constexpr double f = std::numeric_limits<float>::epsilon();
  return 100.0 * (static_cast<double>(hits) + f) / (static_cast<double>(valid) + f);
}

PixelAccuracy accuracy_of(const Tensor& hits) {
  if (!hits) return {};
  const Tensor host = hits.to(Device{});
  return {host.data<std::int64_t>()[0], host.data<std::int64_t>()[1]};
}

PixelAccuracy Losses::accuracy() const {
  return accuracy_of(hits);
}

std::int64_t Losses::bad_costs() const {
  const Tensor host = bad.to(Device{});
  std::int64_t sum = 0;
  if (host)
    for (const std::int64_t count : host.values<std::int64_t>()) sum += count;
  return sum;
}

}  // namespace rein::models
