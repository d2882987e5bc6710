// Recomputation: trade a second forward for the memory of everything saved inside (Chen et al. 2016, "Training deep
// nets with sublinear memory cost"). Equal PyTorch call: torch.utils.checkpoint.checkpoint(use_reentrant=True).
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "autograd/variable.h"

namespace rein {

// Runs body(inputs) without recording; backward runs it again, recorded, and goes through it. Gradients reach `inputs`
// and every trainable leaf that body uses. body must be a pure function of its inputs and leaves: random numbers come
// from keys, so dropout repeats itself. `uses_trainable`: body uses trainable leaves beyond `inputs`.
std::vector<Variable> recompute(std::function<std::vector<Variable>(std::span<const Variable>)> body,
                                std::vector<Variable> inputs, bool uses_trainable = true);

}  // namespace rein
