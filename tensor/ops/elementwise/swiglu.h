// The gate of SwiGLU: y = silu(a) * b, where each row of x is a followed by b. silu(a) = a sigmoid(a).
// Equal PyTorch code: a, b = x.chunk(2, -1); torch.nn.functional.silu(a) * b. One pass over memory without copies of
// the halves, and x is all that backward needs. f32 or f64; on CUDA also x in bf16: computed in f32, rounded once.
#pragma once

#include <optional>

#include "tensor/tensor.h"

namespace rein::ops {

// x (..., 2 C) -> (..., C). out: y's dtype, as x's unless given; f32 where x is bf16.
Tensor swiglu(const Tensor& x, std::optional<DType> out = {});

// grad_out like y; x as given to swiglu. -> like x: grad_a = grad_out b silu'(a), grad_b = grad_out silu(a).
Tensor swiglu_backward(const Tensor& grad_out, const Tensor& x);

}  // namespace rein::ops
