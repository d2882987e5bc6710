// The kernels behind ms_deform_attn.h. Tables of levels stay on the host: on CUDA they travel as kernel arguments, at
// most 32 levels. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

struct DeformLevel {
  std::int64_t height, width, first;  // first: its first token
};

// Shapes as in the door: value (images, tokens, heads*width), locations (images, queries, heads, levels, points, 2).
template <class T>
struct DeformInput {
  const T* value;
  const T* locations;
  const T* weights;
  const DeformLevel* level;  // of each of a head's levels * points
  const T* size;             // width and height of each of them
  std::int64_t images, tokens, queries, heads, width, levels, points;
};

REIN_KERNELS(
    template <class T> void ms_deform_attn(const DeformInput<T>& in, T* out);
    // rows = images * queries; offsets (rows, heads, levels, points, 2), reference (rows, levels, 2).
    template <class T>
    void sampling_locations(const T* offsets, const T* reference, const DeformLevel* level, std::int64_t rows,
                            std::int64_t heads, std::int64_t levels, std::int64_t points, T* out);
    template <class T>
    void sampling_locations_backward(const T* grad_out, const DeformLevel* level, std::int64_t rows, std::int64_t heads,
                                     std::int64_t levels, std::int64_t points, T* grad_offsets, T* grad_reference);
    // Outputs may be null (not wanted); what is there is overwritten.
    // Outputs may be null (not wanted); what is there is overwritten. grad_value gets many points at each pixel. By
    // default they are added as 64-bit whole numbers of a fixed step, which have one sum in every order: the same bits
    // every time, to 2^-45 of the largest product of a weight and a gradient (and NaN everywhere when one is not
    // finite). `atomics` adds in T in the order in which threads come: faster, and not the same bits every time.
    template <class T> void ms_deform_attn_backward(const DeformInput<T>& in, const T* grad_out, T* grad_value,
                                                    T* grad_locations, T* grad_weights, bool atomics);)

}  // namespace rein::ops
