// Clipping of gradients by their common norm (tensor/ops/optim/clip_grad_norm.h does the work, on the gradients'
// device; the returned number is read on the host, after all work given to the device before). Equal PyTorch call:
// torch.nn.utils.clip_grad_norm_(params, max_norm).
#pragma once

#include <span>

#include "autograd/variable.h"

namespace rein::train {

// sqrt of the sum of squares over all gradients present, summed in f64 in a fixed order; 0 when there is none.
double grad_norm(std::span<const Variable> params);

// Multiplies every gradient by min(1, max_norm / (norm + 1e-6)). Returns the norm before. max_norm > 0. A norm that is
// not finite leaves the gradients alone: the caller decides (the trainer stops).
double clip_grad_norm(std::span<const Variable> params, double max_norm);

// Both, but the norm stays where the gradients are, an f64 scalar: nobody waits for it. max_norm 0: no clipping.
Tensor clip_grad_norm_there(std::span<const Variable> params, double max_norm);

}  // namespace rein::train
