// Options and labels that the case and the tests of Mask2Former's loss share.
#pragma once

#include <vector>

#include "models/heads/mask2former_loss.h"
#include "tensor/tensor.h"

namespace rein::testing {

// 40 points.
models::Mask2FormerLossOptions small_mask2former_loss(std::int64_t classes);

// (N, 12, 20): image n shows the classes of kinds[n] in blocks; an empty list is all void.
Tensor labels_of(const std::vector<std::vector<std::int64_t>>& kinds);

}  // namespace rein::testing
