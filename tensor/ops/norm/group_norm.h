// GroupNorm of N,H,W,C maps: per image and group of C / groups consecutive channels, over all pixels and channels of
// the group, y = (x - mean) / sqrt(var + eps) * weight + bias with biased variance. Equal PyTorch call:
// torch.nn.functional.group_norm(x.permute(0, 3, 1, 2), groups, weight, bias, eps), permuted back. Numerics: mean and
// centred sum of squares per channel and chunk of pixels, chunks merged in order in double (parallel variance formula,
// never E[x^2] - E[x]^2); so the result does not depend on the number of threads. NaN propagates.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

struct GroupNormOut {
  Tensor y;     // like x
  Tensor mean;  // (N, groups)
  Tensor rstd;  // (N, groups), 1 / sqrt(var + eps)
};

// x (N, ..., C) with at least one pixel, weight (C), bias (C); f32 or f64, all of one dtype. C a multiple of groups.
GroupNormOut group_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, std::int64_t groups, double eps);

struct GroupNormGrads {
  Tensor x, weight, bias;  // null where not wanted
};
struct GroupNormWants {
  bool x = true, weight = true, bias = true;
};
// grad_out like y; x, weight, mean, rstd as given to and made by group_norm.
GroupNormGrads group_norm_backward(const Tensor& grad_out, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                   const Tensor& rstd, GroupNormWants wants);

}  // namespace rein::ops
