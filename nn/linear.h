// Linear layer. Equal PyTorch module: torch.nn.Linear. In mixed precision on CUDA:
//   x bf16                                       -> bf16 (tensor/ops/matmul/linear_bf16.h), whatever the weight's dtype
//   x f32, a frozen weight in bf16, or Precision::bf16 -> f32, from bf16 operands
#pragma once

#include <optional>

#include "autograd/ops/matmul/mixed.h"
#include "nn/module.h"
#include "tensor/kept.h"

namespace rein::nn {

class Linear final : public Module {
 public:
  // weight (out, in), bias (out) unless `bias` is false. Start: PyTorch's default, uniform +-1/sqrt(in) for both.
  Linear(std::int64_t in, std::int64_t out, bool bias = true);
  Linear(std::int64_t in, std::int64_t out, bool bias, Init weight_init, Init bias_init);

  Variable operator()(const Variable& x) const;                        // (..., in) -> (..., out)
  Variable operator()(const Variable& x, const Variable& bias) const;  // with this bias (out) in the place of its own

  // What x is best given in: bf16 where the weight is bf16 and on CUDA, nothing where x may stay as it is.
  std::optional<DType> input_dtype() const;
  // For a layer that one pass uses many times: linear_bf16(x, r.weight, true, r.bias, out).
  struct RoundedParams {
    Rounded weight, bias;
  };
  RoundedParams rounded_params() const;

  Param& weight() { return *weight_; }
  const Param& weight() const { return *weight_; }
  Param* bias() { return bias_; }  // null without bias

 private:
  Param* weight_;
  Param* bias_ = nullptr;

  Rounded kept_bias() const;
  mutable Kept<Tensor> bf16_bias_;  // of a frozen bias
};

}  // namespace rein::nn
