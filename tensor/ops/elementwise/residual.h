// The residual updates of a transformer block, each one pass over memory. f32 or f64, one dtype per call; on CUDA y,
// the branch, may be bf16 beside f32: the sum stays f32, the gradient of y is rounded. NaN propagates.
#pragma once

#include <optional>

#include "tensor/tensor.h"

namespace rein::ops {

// x + gamma * y. x, y (..., C), gamma (C) or null (then 1). Equal PyTorch code: x + gamma * y (LayerScale).
Tensor residual(const Tensor& x, const Tensor& y, const Tensor& gamma);

struct ResidualGrads {
  Tensor y;      // grad_out * gamma, in y's dtype; null where not wanted
  Tensor gamma;  // like gamma: sum over rows of grad_out * y, fixed chunks added in order
};
struct ResidualWants {
  bool y = true, gamma = true;
  std::optional<DType> y_dtype{};  // of y's gradient, as y's: grad_out's unless given, or bf16
};
// The gradient of x is grad_out itself. y may be null when gamma is not wanted.
ResidualGrads residual_backward(const Tensor& grad_out, const Tensor& y, const Tensor& gamma, ResidualWants wants);

// x + scale * y for rows >= first_row of each (L, C) matrix, x for the rows before. x, y (N, L, C); scale () or null
// (then 1). Equal PyTorch code: torch.cat([x[:, :f], x[:, f:] + scale * y[:, f:]], 1).
Tensor scaled_residual(const Tensor& x, const Tensor& y, const Tensor& scale, std::int64_t first_row);

struct ScaledResidualGrads {
  Tensor y;      // like y; zero in the rows before first_row
  Tensor scale;  // ()
};
struct ScaledResidualWants {
  bool y = true, scale = true;
  std::optional<DType> y_dtype{};
};
ScaledResidualGrads scaled_residual_backward(const Tensor& grad_out, const Tensor& y, const Tensor& scale,
                                             std::int64_t first_row, ScaledResidualWants wants);

}  // namespace rein::ops
