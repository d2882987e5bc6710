// cast: the values of a tensor in another dtype.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

// x.to(dtype) of PyTorch, for f64, f32, bf16, f16, i64, i32, u8; the tensor itself (sharing storage) when it has the
// dtype already. To a float: round to nearest even; f64 to bf16/f16 and back goes through f32, as PyTorch's does.
// Float to integer truncates toward zero; what does not fit is clamped to the integer's range and NaN becomes 0
// (PyTorch leaves both undefined). Integer to a narrower integer keeps the low bits.
Tensor cast(const Tensor& x, DType dtype);

// The same into memory that is there: `out` has the shape of x and any dtype, and does not overlap it.
void cast_into(const Tensor& x, Tensor& out);

}  // namespace rein::ops
