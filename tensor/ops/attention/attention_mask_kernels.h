// The kernels behind attention_mask.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

REIN_KERNELS(template <class T> void blocked_where_negative(const T* logits, std::int64_t count, std::uint8_t* blocked);
             // in (rows, keys) -> out; the number of rows that were opened is added to *opened.
             void open_blocked_rows(const std::uint8_t* in, std::int64_t rows, std::int64_t keys, std::uint8_t* out,
                                    std::int64_t* opened);)

}  // namespace rein::ops
