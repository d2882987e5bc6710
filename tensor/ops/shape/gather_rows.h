// Rows of token sequences by their numbers: which patches a masked autoencoder's encoder sees, and putting tokens back
// into their places.
//   y[n][k] = x[n][index[n][k]]
// x (N, L, C) f32 or f64, index i64 (N, K) with entries in [0, L) -> (N, K, C). Copies, bit for bit; a row may be taken
// several times. Equal PyTorch call: torch.gather(x, 1, index[:, :, None].expand(-1, -1, C)).
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

// On a GPU entries are not checked: one out of range gives a row of NaN, and no gradient.
// std::invalid_argument for other shapes and dtypes, and for an entry out of range, which it names.
Tensor gather_rows(const Tensor& x, const Tensor& index);

// Gradient of x, (N, length, C): each row is the sum of the gradients of the rows taken from it, in the order of k;
// zero where none was.
Tensor gather_rows_backward(const Tensor& grad_out, const Tensor& index, std::int64_t length);

}  // namespace rein::ops
