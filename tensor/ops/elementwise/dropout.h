// Dropout: y = x / (1 - p) where kept, 0 where dropped. Linear in x, so backward is the same call on the gradient: the
// mask is made again from its key instead of being saved. f32 or f64. NaN in a dropped place becomes 0, as the value is
// not looked at (PyTorch multiplies and gives NaN).
// Equal PyTorch calls but for the random numbers: dropout; dropout2d on N,H,W,C; timm's drop_path.
#pragma once

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace rein::ops {

struct DropoutMask {
  enum class Unit { element, channel, sample } unit = Unit::element;  // what is kept or dropped together
  double p = 0;                                                       // of being dropped, in [0, 1)
  RandomKey key = RandomKey(0);
  std::int64_t first_sample = 0;  // number of x's sample 0 in the whole batch
};

// x (N, ...), channels last. Sample n's unit e (the element's index within the sample, the channel, or 0) is kept when
// mask.key.child(first_sample + n).uniform(e) >= p: the same for 4 calls of one sample as for one call of 4.
Tensor dropout(const Tensor& x, const DropoutMask& mask);

}  // namespace rein::ops
