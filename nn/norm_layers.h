// The trainable norms. Their parameters carry Param::norm and are never decayed.
#pragma once

#include <optional>

#include "nn/module.h"

namespace rein::nn {

// Over the last dimension. Equal PyTorch module: torch.nn.LayerNorm(dim, eps).
class LayerNorm final : public Module {
 public:
  LayerNorm(std::int64_t dim, double eps);
  // (..., dim), in x's dtype or in `out`.
  Variable operator()(const Variable& x, std::optional<DType> out = {}) const;

 private:
  Param* weight_;
  Param* bias_;
  double eps_;
};

// Over N,H,W,C maps. Equal PyTorch module: torch.nn.GroupNorm(groups, channels, eps) on permuted maps.
class GroupNorm final : public Module {
 public:
  GroupNorm(std::int64_t groups, std::int64_t channels, double eps = 1e-5);
  Variable operator()(const Variable& x) const;  // (N, H, W, channels)

 private:
  Param* weight_;
  Param* bias_;
  std::int64_t groups_;
  double eps_;
};

}  // namespace rein::nn
