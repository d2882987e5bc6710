// Differentiable softmax over the last dimension, with max subtraction.
#pragma once

#include "autograd/variable.h"

namespace rein {

struct SoftmaxOptions {
  double factor = 1;  // of x
};

// softmax(factor * x) over the last dimension, the only one: softmax(x, 1), an axis elsewhere, does not compile.
// Equal PyTorch call: torch.softmax(factor * x, -1).
Variable softmax(const Variable& x, const SoftmaxOptions& options = {});
Variable log_softmax(const Variable& x);

}  // namespace rein
