// The mask that cases and tests of attention share.
#pragma once

#include "tensor/tensor.h"

namespace rein::testing {

// About a third of the keys blocked, never key i % lk of query i, and one query with a single open key.
Tensor some_attention_mask(std::int64_t n, std::int64_t lq, std::int64_t lk);

}  // namespace rein::testing
