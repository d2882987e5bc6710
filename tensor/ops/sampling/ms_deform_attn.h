// Multi-scale deformable attention: every query reads a few weighted points of several feature maps.
//   out[n][q][m d + c] = sum over levels l and points p of
//                        weights[n][q][m][l][p] * sample(map l of head m, locations[n][q][m][l][p])[c]
// sample reads (x, y), normalised to [0, 1] by the level's width and height, at the pixel coordinates
// (x w - 0.5, y h - 0.5), bilinearly; pixels outside of the map count as zero. Equal PyTorch call per level:
// torch.nn.functional.grid_sample(map, 2 * locations - 1, mode="bilinear", padding_mode="zeros", align_corners=False).
// Numerics: coordinates and sums in the tensor's dtype, in a fixed order: the same bits for any number of threads.
// A NaN coordinate makes its query's head NaN; a point outside of the map (infinity too) adds nothing.
// Memory: outputs and a few hundred bytes per thread, never queries x levels x points x channels.
#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace rein::ops {

struct LevelShape {
  std::int64_t height = 0, width = 0;
  bool operator==(const LevelShape&) const = default;
};
std::int64_t tokens_of(const std::vector<LevelShape>& levels);  // sum of height * width

// value (N, S, heads*d): the levels' tokens row by row, one level after another, heads are consecutive channels;
// locations (N, Q, heads, levels, points, 2) as (x, y); weights (N, Q, heads, levels, points), need not sum to one.
// f32 or f64, all of one dtype. Returns (N, Q, heads*d).
Tensor ms_deform_attn(const Tensor& value, const std::vector<LevelShape>& levels, const Tensor& locations,
                      const Tensor& weights);

struct MsDeformAttnGrads {
  Tensor value, locations, weights;  // null where not wanted
};
struct MsDeformAttnWants {
  bool value = true, locations = true, weights = true;
};
// grad_out (N, Q, heads*d). On a line through pixel centres (a kink) the gradient is that of the cell to the right and
// below. On the CPU the work on grad_value is owned by (image, head). On CUDA it is atomic additions of whole numbers
// (the product of a weight and a gradient in units of 2^-45 of the largest there can be): the same bits every time as
// well, but a NaN or infinity in grad_out, weights or locations makes all of grad_value NaN. REIN_KERNEL=
// ms_deform_attn:atomics adds floating-point numbers instead: faster, and the bits depend on the order of threads.
MsDeformAttnGrads ms_deform_attn_backward(const Tensor& grad_out, const Tensor& value,
                                          const std::vector<LevelShape>& levels, const Tensor& locations,
                                          const Tensor& weights, MsDeformAttnWants wants = {});

// The slow readable twin, summed in double: every output from the formula above.
// REIN_KERNEL=ms_deform_attn:reference puts both in the place of the kernels.
Tensor ms_deform_attn_reference(const Tensor& value, const std::vector<LevelShape>& levels, const Tensor& locations,
                                const Tensor& weights);
MsDeformAttnGrads ms_deform_attn_backward_reference(const Tensor& grad_out, const Tensor& value,
                                                    const std::vector<LevelShape>& levels, const Tensor& locations,
                                                    const Tensor& weights, MsDeformAttnWants wants = {});

// Where the points lie: reference[n][q][l] + offsets[n][q][m][l][p] / (width_l, height_l).
// offsets (N, Q, heads, levels, points, 2) in pixels of their level, reference (N, Q, levels, 2) in [0, 1] -> like
// offsets.
Tensor sampling_locations(const Tensor& offsets, const Tensor& reference, const std::vector<LevelShape>& levels);
// grad_out like offsets; the gradients of offsets and of reference, null where not wanted.
struct SamplingLocationsGrads {
  Tensor offsets, reference;
};
SamplingLocationsGrads sampling_locations_backward(const Tensor& grad_out, const std::vector<LevelShape>& levels,
                                                   bool want_offsets, bool want_reference);

}  // namespace rein::ops
