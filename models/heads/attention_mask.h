// The boolean masks of masked attention: decisions, without gradients.
#pragma once

#include "tensor/tensor.h"

namespace rein::models {

// logits f32 or f64 -> u8 of the same shape: 1 (blocked) where the logit is negative, i.e. sigmoid(logit) < 0.5. NaN
// does not block.
Tensor blocked_where_negative(const Tensor& logits);

// blocked u8 (..., L): a row whose keys are ALL blocked has no softmax; it gets to see everything instead. Returns the
// mask with such rows set to 0 (`blocked` itself when there are none), and how many they were.
struct OpenedMask {
  Tensor blocked;
  std::int64_t opened_rows = 0;
};
OpenedMask open_blocked_rows(const Tensor& blocked);

}  // namespace rein::models
