// Linear layer. Equal PyTorch module: torch.nn.Linear.
#pragma once

#include "nn/module.h"

namespace rein::nn {

class Linear final : public Module {
 public:
  // weight (out, in), bias (out) unless `bias` is false. Start: PyTorch's default, uniform +-1/sqrt(in) for both.
  Linear(std::int64_t in, std::int64_t out, bool bias = true);
  Linear(std::int64_t in, std::int64_t out, bool bias, Init weight_init, Init bias_init);

  Variable operator()(const Variable& x) const;                        // (..., in) -> (..., out)
  Variable operator()(const Variable& x, const Variable& bias) const;  // with this bias (out) in the place of its own

  Param& weight() { return *weight_; }
  Param* bias() { return bias_; }  // null without bias

 private:
  Param* weight_;
  Param* bias_ = nullptr;
};

}  // namespace rein::nn
