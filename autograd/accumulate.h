// Sums of gradients: kernels overwrite, the tape accumulates.
#pragma once

#include "tensor/tensor.h"

namespace rein {

// into += grad. A null `into` takes the handle; a shared buffer is never written to (a new one is made instead).
void accumulate(Tensor& into, Tensor grad);

}  // namespace rein
