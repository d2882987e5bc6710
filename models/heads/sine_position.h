// The sine position encoding of Mask2Former: mmdet's SinePositionalEncoding(num_feats=channels/2, normalize=True).
#pragma once

#include "tensor/tensor.h"

namespace rein::models {

// (h*w, channels), rows y outer. The first half of the channels encodes (r+1)/(h+1e-6)*2pi, the second
// (c+1)/(w+1e-6)*2pi; channel k of a half: angle / 10000^(2 floor(k/2) / (channels/2)), sin for even k, cos for odd k.
// Computed in f64. `channels` must be a multiple of 4.
Tensor sine_position(std::int64_t height, std::int64_t width, std::int64_t channels, DType dtype);
// The same on a device: made and sent once per size, and kept; not to be written to. On the CPU it is made every time.
Tensor sine_position(std::int64_t height, std::int64_t width, std::int64_t channels, DType dtype, Device device);

}  // namespace rein::models
