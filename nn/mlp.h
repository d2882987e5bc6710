// The MLPs of a ViT block.
#pragma once

#include <cstdint>
#include <optional>

#include "nn/hooks.h"
#include "nn/linear.h"
#include "nn/norm_layers.h"

namespace rein::nn {

enum class Activation { gelu, quick_gelu };

// fc2(activation(fc1(x))).
class Mlp final : public Module {
 public:
  Mlp(std::int64_t dim, std::int64_t hidden, Activation activation = Activation::gelu);
  Variable operator()(const Variable& x, const BlockSite& site = {}) const;
  // As Linear's: given a bf16 x where it says so, everything up to the result is bf16.
  std::optional<DType> input_dtype() const { return fc1_.input_dtype(); }

 private:
  Activation activation_;
  Linear fc1_;
  Linear fc2_;
};

// w3(silu(a) * b) with [a; b] = w12(x): the first half of w12's rows is the gate (DINOv2 giant, DINOv3, EVA-02). With
// norm_eps: w3(norm(silu(a) * b)), the inner LayerNorm of EVA-02.
class SwiGlu final : public Module {
 public:
  SwiGlu(std::int64_t dim, std::int64_t hidden, std::optional<double> norm_eps = {});
  Variable operator()(const Variable& x, const BlockSite& site = {}) const;
  std::optional<DType> input_dtype() const { return w12_.input_dtype(); }  // as Mlp's

 private:
  Linear w12_;
  std::optional<LayerNorm> norm_;
  Linear w3_;
};

}  // namespace rein::nn
