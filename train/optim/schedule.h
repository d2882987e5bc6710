// The learning rate of a step: linear warm-up, then polynomial decay.
#pragma once

#include <cstdint>

namespace rein::train {

struct Schedule {
  double lr = 1e-4;
  double power = 0.9;  // 0: constant
  // The step at which the rate reaches 0. The official rule for a run of `end` iterations is end - 1 (39999 for 40000).
  std::int64_t zero_at = 39999;
  std::int64_t warmup = 0;     // steps of linear warm-up; 0: none
  double warmup_start = 1e-6;  // factor on lr at step 0

  // Step t >= 0. With w = warmup:
  //   t < w:  lr (s + (1 - s) t / (w - 1)), s = warmup_start (1 when w = 1)
  //   else:   lr (1 - (t - w) / (zero_at - w))^power, 0 from zero_at on
  // Equal mmengine schedulers: LinearLR(start_factor=s, end=w) followed by PolyLR(power, eta_min=0, begin=w,
  // end=zero_at + 1), by iteration.
  double at(std::int64_t step) const;
};

}  // namespace rein::train
