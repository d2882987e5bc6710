// Differentiable losses.
#pragma once

#include "autograd/variable.h"

namespace rein {

inline constexpr std::int64_t ignore_label = 255;

// Softmax cross-entropy: sum over the rows whose label is not `ignore` of -log softmax(row)[label], divided by
// `divisor`. logits (..., K), labels i64 (...) -> (). A label outside [0, K) that is not `ignore` is an error naming
// it. mmseg's Semantic FPN loss has divisor = all pixels + 1.1920928955078125e-07 (golden README 8). Equal PyTorch
// call: cross_entropy(reduction="sum", ignore_index=ignore) / divisor.
Variable cross_entropy(const Variable& logits, const Tensor& labels, double divisor,
                       std::int64_t ignore = ignore_label);

}  // namespace rein
