// Copies that change the order or the extent of a tensor, bit for bit: any dtype, no arithmetic.
// Equal PyTorch calls: permute(...).contiguous(), cat, split, narrow(...).contiguous(), expand(...).contiguous().
// Axes may be negative (they count from the end). Every function returns a tensor with its own storage.
#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace rein::ops {

// Output axis k is input axis axes[k]. Two-dimensional transposes and NCHW <-> NHWC run in blocks.
Tensor permute(const Tensor& x, const std::vector<int>& axes);
std::vector<int> inverse_axes(const std::vector<int>& axes);
Tensor nchw_to_nhwc(const Tensor& x);
Tensor nhwc_to_nchw(const Tensor& x);

// All parts have one dtype and the same sizes except along `axis`. At least one part.
Tensor concat(const std::vector<Tensor>& parts, int axis);
// Consecutive ranges along `axis`; the sizes must sum to x.size(axis).
std::vector<Tensor> split(const Tensor& x, int axis, const std::vector<std::int64_t>& sizes);
// [begin, end) along `axis`.
Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end);
// (1, ...) -> (n, ...).
Tensor expand(const Tensor& x, std::int64_t n);

// Gradient of split: `grads` side by side in one buffer of shape `x_shape`; a null part is filled with zeros.
Tensor split_backward(const std::vector<Tensor>& grads, const Shape& x_shape, DType dtype, int axis,
                      const std::vector<std::int64_t>& sizes);
// Gradient of slice: `grad_out` at [begin, begin + grad_out.size(axis)), zeros elsewhere.
Tensor slice_backward(const Tensor& grad_out, const Shape& x_shape, int axis, std::int64_t begin);

// Image to flattened patches: (N, H, W, C) -> (N, (H/p)*(W/p), p*p*C), patches row-major, channels (dy, dx, c).
// H and W must be multiples of p. Equal PyTorch call: unfold(p, stride=p) with the channels in another order.
Tensor patchify(const Tensor& image, std::int64_t patch);
// Back to (N, H, W, C).
Tensor unpatchify(const Tensor& patches, std::int64_t height, std::int64_t width, std::int64_t patch);

}  // namespace rein::ops
