// CPU kernels behind tensor/ops/sampling/ms_deform_attn.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

namespace rein::ops::cpu {

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

template <class T>
void ms_deform_attn(const DeformInput<T>& in, T* out);

// Outputs may be null (not wanted); what is there is overwritten.
template <class T>
void ms_deform_attn_backward(const DeformInput<T>& in, const T* grad_out, T* grad_value, T* grad_locations,
                             T* grad_weights);

// rows = images * queries; offsets (rows, heads, levels, points, 2), reference (rows, levels, 2).
template <class T>
void sampling_locations(const T* offsets, const T* reference, const DeformLevel* level, std::int64_t rows,
                        std::int64_t heads, std::int64_t levels, std::int64_t points, T* out);
template <class T>
void sampling_locations_backward(const T* grad_out, const DeformLevel* level, std::int64_t rows, std::int64_t heads,
                                 std::int64_t levels, std::int64_t points, T* grad_offsets, T* grad_reference);

}  // namespace rein::ops::cpu
