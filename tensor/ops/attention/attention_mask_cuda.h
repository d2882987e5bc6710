// CUDA kernels behind tensor/ops/attention/attention_mask.h: the signatures of attention_mask_cpu.h, with device
// addresses.
#pragma once

#include <cstdint>

namespace rein::ops::cuda {

template <class T>
void blocked_where_negative(const T* logits, std::int64_t count, std::uint8_t* blocked);
void open_blocked_rows(const std::uint8_t* in, std::int64_t rows, std::int64_t keys, std::uint8_t* out,
                       std::int64_t* opened);

}  // namespace rein::ops::cuda
