// The boolean masks of masked attention: decisions, without gradients. 1 blocks a key, 0 lets it be seen.
// Equal PyTorch: mask = sigmoid(logits) < 0.5; mask[mask.all(-1)] = False.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

// logits f32 or f64 -> u8 of the same shape: 1 where the logit is negative, i.e. sigmoid(logit) < 0.5. NaN does not
// block.
Tensor blocked_where_negative(const Tensor& logits);

// blocked u8 (..., L), L at least 1: a row whose keys are ALL blocked has no softmax; it gets to see everything
// instead.
struct OpenedMask {
  Tensor blocked;      // the mask with such rows set to 0
  Tensor opened_rows;  // i64 (), how many they were; on the mask's device
};
OpenedMask open_blocked_rows(const Tensor& blocked);

}  // namespace rein::ops
