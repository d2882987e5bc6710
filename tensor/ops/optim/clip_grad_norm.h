// The norm of many tensors together, and scaling them to a largest norm, in place. Equal PyTorch call:
// torch.nn.utils.clip_grad_norm_. Squares are summed in f64 in a fixed order: the same bits for any number of threads.
// On CUDA everything stays on the device, the decision to scale included: nothing waits for it. Reading the result on
// the host is the caller's wait.
#pragma once

#include <span>

#include "tensor/tensor.h"

namespace rein::ops {

// sqrt of the sum of all squares, an f64 scalar on the device of the first tensor; 0 on the CPU when there is none. All
// must be f32 or f64 and on one device.
Tensor grad_norm(std::span<const Tensor> tensors);

// Multiplies every element by max_norm / (norm + 1e-6) when that is below 1; a norm that is not finite leaves all
// alone. Returns the norm before. max_norm > 0.
Tensor clip_grad_norm(std::span<Tensor> tensors, double max_norm);

}  // namespace rein::ops
