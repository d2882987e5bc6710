// Differentiable softmax over the last dimension, with max subtraction.
#pragma once

#include "autograd/variable.h"

namespace rein {

// softmax(factor * x) over the last dimension. Equal PyTorch call: torch.softmax(factor * x, -1).
Variable softmax(const Variable& x, double factor = 1.0);
Variable log_softmax(const Variable& x);

}  // namespace rein
