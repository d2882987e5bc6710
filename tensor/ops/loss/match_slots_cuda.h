// CUDA kernels behind tensor/ops/loss/match_slots.h: the signatures of match_slots_cpu.h, with device addresses.
#pragma once

#include "tensor/ops/loss/match_slots_cpu.h"

namespace rein::ops::cuda {

using cpu::SlotLists;
using cpu::SlotSizes;

void match_slots(const SlotSizes& s, const std::int64_t* class_of, const std::uint8_t* present,
                 const std::int64_t* splits, const SlotLists& out);
template <class T>
void take_rows(const T* x, std::int64_t length, std::int64_t cols, const std::int64_t* rows, std::int64_t count, T* y);
template <class T>
void put_rows(const T* x, std::int64_t length, std::int64_t cols, const std::int64_t* rows, std::int64_t count, T* y);

}  // namespace rein::ops::cuda
