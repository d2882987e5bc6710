// Reductions of f32 and f64 tensors. Sums are cut into fixed chunks whose partial sums are added in order in double, so
// the result does not depend on the number of threads. Equal PyTorch calls: sum, mean, max(dim).
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

Tensor sum(const Tensor& x);   // -> (); 0 for an empty tensor
Tensor mean(const Tensor& x);  // -> (); at least one element

// `axis` (negative: from the end) disappears from the shape.
Tensor sum_axis(const Tensor& x, int axis);
Tensor mean_axis(const Tensor& x, int axis);  // axis of size at least 1
// grad_out without the axis -> x_shape: every element of the axis gets grad_out * scale.
Tensor sum_axis_backward(const Tensor& grad_out, const Shape& x_shape, int axis, double scale = 1);
// A scalar -> x_shape: every element gets grad_out * scale. Gradient of sum (scale 1) and mean (scale 1 / count).
Tensor sum_backward(const Tensor& grad_out, const Shape& x_shape, double scale = 1);

struct MaxOut {
  Tensor values;   // like x without the axis
  Tensor indices;  // i64, place along the axis of the first maximal element; the first NaN where there is one
};
MaxOut max_axis(const Tensor& x, int axis);  // axis of size at least 1
// grad_out at the recorded places, zeros elsewhere.
Tensor max_axis_backward(const Tensor& grad_out, const Tensor& indices, const Shape& x_shape, int axis);

}  // namespace rein::ops
