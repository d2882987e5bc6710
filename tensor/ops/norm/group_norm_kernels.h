// The kernels behind group_norm.h. x is (n, pixels, channels). No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

struct GroupNormSizes {
  std::int64_t n, pixels, channels, groups;
};

REIN_KERNELS(template <class T> void group_norm(const T* x, const T* weight, const T* bias, double eps,
                                                const GroupNormSizes& sizes, T* y, T* mean, T* rstd);
             // Outputs may be null (not wanted); what is there is overwritten.
             template <class T>
             void group_norm_backward(const T* grad_out, const T* x, const T* weight, const T* mean, const T* rstd,
                                      const GroupNormSizes& sizes, T* grad_x, T* grad_weight, T* grad_bias);)

}  // namespace rein::ops
