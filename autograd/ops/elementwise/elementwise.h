// Differentiable elementwise operations and the residual updates of a transformer block.
#pragma once

#include <optional>

#include "autograd/variable.h"

namespace rein {

// Same shapes.
Variable add(const Variable& a, const Variable& b);
Variable sub(const Variable& a, const Variable& b);
Variable mul(const Variable& a, const Variable& b);
Variable scale(const Variable& x, double factor);
// b's shape equals the last dimensions of x: (N, L, C) with (L, C) or (C). The gradient of b sums over the rest.
Variable add_broadcast(const Variable& x, const Variable& b);
Variable mul_broadcast(const Variable& x, const Variable& b);

Variable relu(const Variable& x);       // torch.relu; gradient 0 at 0
Variable gelu(const Variable& x);       // torch.nn.functional.gelu(approximate="none"): x/2 (1 + erf(x/sqrt 2))
Variable gelu_tanh(const Variable& x);  // approximate="tanh"
Variable silu(const Variable& x);       // x sigmoid(x)
Variable sigmoid(const Variable& x);
Variable quick_gelu(const Variable& x);  // x sigmoid(1.702 x), CLIP only
// silu(a) * b of x = [a; b], (..., 2 C) -> (..., C), in the dtype `out` (f32 where x is bf16).
Variable swiglu(const Variable& x, std::optional<DType> out = {});

// x + gamma * y, gamma (C) or null (then 1): the residual with LayerScale of a ViT block.
Variable residual(const Variable& x, const Variable& y, const Variable& gamma = {});
// x + scale * y with a learned scalar `scale` (), for rows >= first_row of each (L, C) matrix; the rows before it
// (class and register tokens) are x unchanged. x, y (N, L, C). A null scale counts as 1. Rein's residual.
Variable scaled_residual(const Variable& x, const Variable& y, const Variable& scale, std::int64_t first_row);

}  // namespace rein
