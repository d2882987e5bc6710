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

}  // namespace rein::models
