// Convolution and patch embedding on N,H,W,C maps. Weights are (O, kh, kw, I) in memory, (O, I, kh, kw) in files.
#pragma once

#include "nn/module.h"

namespace rein::nn {

struct Conv2dOptions {
  std::int64_t in = 0, out = 0;
  std::int64_t kernel = 1, stride = 1, padding = 0;
  bool bias = true;
  Init weight_init{}, bias_init{};
};

// Equal PyTorch module: torch.nn.Conv2d. A 1x1 convolution runs as a linear layer over the pixels.
class Conv2d final : public Module {
 public:
  explicit Conv2d(const Conv2dOptions& options);
  Variable operator()(const Variable& x) const;  // (N, H, W, in) -> (N, H', W', out)

  const Variable& weight() const { return weight_->value; }
  Variable bias() const { return bias_ == nullptr ? Variable{} : bias_->value; }
  Products products() const { return weight_->products(); }

 private:
  Conv2dOptions options_;
  Param* weight_;
  Param* bias_ = nullptr;
};

// Start values used by the heads; fan_in = in * kernel^2, fan_out = out * kernel^2.
Init xavier_uniform(std::int64_t fan_in, std::int64_t fan_out);  // bound sqrt(6 / (fan_in + fan_out))
Init xavier_normal(std::int64_t fan_in, std::int64_t fan_out);   // std sqrt(2 / (fan_in + fan_out))
Init kaiming_normal(std::int64_t fan);                           // std sqrt(2 / fan): ReLU
Init pytorch_default(std::int64_t fan_in);                       // uniform +-1/sqrt(fan_in)

// Image (N, H, W, 3) -> tokens (N, (H/p)*(W/p), dim), row-major. The convolution is called "proj".
class PatchEmbed final : public Module {
 public:
  PatchEmbed(std::int64_t patch, std::int64_t dim, bool bias = true);
  Variable operator()(const Variable& image) const;

 private:
  std::int64_t patch_, dim_;
  Conv2d proj_;
};

}  // namespace rein::nn
