// AdamW (Loshchilov & Hutter, "Decoupled weight decay regularization", 2019): one update of many parameters in place.
// Equal PyTorch call: torch.optim.AdamW(betas=(0.9, 0.999), eps=1e-8, amsgrad=False, foreach=False).step().
//   p *= 1 - lr wd;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  p -= lr/(1-b1^k) m / (sqrt(v)/sqrt(1-b2^k) + eps)
// Numerics: in the parameter's dtype; the scalars are computed in double and rounded once. Elementwise: the same bits
// for any number of threads. On CUDA one launch for up to 256 parameters, whatever their sizes.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace rein::ops {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
};

struct AdamWUpdate {
  Tensor param, grad, exp_avg, exp_avg_sq;  // all like param: shape, f32 or f64, device
  double lr = 0;
  double weight_decay = 0;
  std::int64_t step = 1;  // k above, from 1
};

// Writes param, exp_avg and exp_avg_sq of each. All must be on one device; dtypes may differ between updates.
void adamw(std::span<AdamWUpdate> updates, const AdamWOptions& options);

}  // namespace rein::ops
