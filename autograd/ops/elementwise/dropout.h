// Differentiable dropout. The masks come from counter-based keys, never from call order: the same in recomputation,
// after resume, and for 4 micro-batches as for one batch of 4.
#pragma once

#include "autograd/variable.h"
#include "tensor/random.h"

namespace rein {

// Where sample 0 of a tensor stands in the step's whole batch, and the key of (seed, step, module path).
struct DropoutKey {
  RandomKey key = RandomKey(0);
  std::int64_t first_sample = 0;
};

// x (N, ...). Each element is kept with probability 1 - p and divided by 1 - p. p in [0, 1).
Variable dropout(const Variable& x, double p, const DropoutKey& key);
// x (N, ..., C): whole channels of a sample are dropped (torch.nn.Dropout2d on N,H,W,C).
Variable dropout_channels(const Variable& x, double p, const DropoutKey& key);
// x (N, ...): whole samples are dropped (stochastic depth), kept ones divided by 1 - p.
Variable drop_path(const Variable& x, double p, const DropoutKey& key);

}  // namespace rein
