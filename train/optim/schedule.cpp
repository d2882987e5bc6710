#include "train/optim/schedule.h"

#include <cmath>

namespace rein::train {

double Schedule::at(std::int64_t step) const {
  if (step < warmup) {
    if (warmup == 1) return lr;
    const double part = static_cast<double>(step) / static_cast<double>(warmup - 1);
    return lr * (warmup_start + (1 - warmup_start) * part);
  }
  if (power == 0) return lr;
  if (step >= zero_at) return 0;
  const double done = static_cast<double>(step - warmup) / static_cast<double>(zero_at - warmup);
  return lr * std::pow(1 - done, power);
}

}  // namespace rein::train
