// CUDA kernel behind tensor/ops/optim/adamw.h: the slots are on the host, the addresses in them on the device.
#pragma once

#include "tensor/ops/optim/adamw_cpu.h"

namespace rein::ops::cuda {

using cpu::AdamWRule;
using cpu::AdamWSlot;

template <class T>
void adamw(std::span<const AdamWSlot<T>> slots, const AdamWRule<T>& rule);

}  // namespace rein::ops::cuda
