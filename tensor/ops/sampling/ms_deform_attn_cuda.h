// CUDA kernels behind tensor/ops/sampling/ms_deform_attn.h: the signatures of ms_deform_attn_cpu.h with device
// addresses, but for the tables of levels, which stay on the host (they travel as kernel arguments; at most 32 levels).
#pragma once

#include <cstdint>

#include "tensor/ops/sampling/ms_deform_attn_cpu.h"

namespace rein::ops::cuda {

using cpu::DeformInput;
using cpu::DeformLevel;

template <class T>
void ms_deform_attn(const DeformInput<T>& in, T* out);

// Outputs may be null (not wanted); what is there is overwritten. grad_value gets many points at each pixel. By
// default they are added as 64-bit whole numbers of a fixed step, which have one sum in every order: the same bits
// every time, to 2^-45 of the largest product of a weight and a gradient (and NaN everywhere when one is not finite).
// `atomics` adds in T in the order in which threads come: faster, and not the same bits every time.
template <class T>
void ms_deform_attn_backward(const DeformInput<T>& in, const T* grad_out, T* grad_value, T* grad_locations,
                             T* grad_weights, bool atomics);

template <class T>
void sampling_locations(const T* offsets, const T* reference, const DeformLevel* level, std::int64_t rows,
                        std::int64_t heads, std::int64_t levels, std::int64_t points, T* out);
template <class T>
void sampling_locations_backward(const T* grad_out, const DeformLevel* level, std::int64_t rows, std::int64_t heads,
                                 std::int64_t levels, std::int64_t points, T* grad_offsets, T* grad_reference);

}  // namespace rein::ops::cuda
