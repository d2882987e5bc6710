// A pre-norm transformer block: x += ls1 * attn(norm1(x)); x += ls2 * mlp(norm2(x)).
// With frozen bf16 weights on CUDA (nn/bind.h) both branches are bf16 from the norm's result on, sums and softmax
// inside in f32; x, its sums and both norms are f32. Attention with relative positions and gated MLPs are the
// exceptions: there each product rounds its operand, and what lies between is f32. So it is on the CPU everywhere.
#pragma once

#include <optional>

#include "nn/attention.h"
#include "nn/mlp.h"
#include "nn/norm_layers.h"
#include "nn/window_attention.h"

namespace rein::nn {

enum class MlpKind { gelu, quick_gelu, swiglu };

struct BlockOptions {
  std::int64_t dim = 0, heads = 1, mlp_hidden = 0;
  MlpKind mlp = MlpKind::gelu;
  bool mlp_norm = false;  // a LayerNorm inside the gated MLP
  QkvBias qkv_bias = QkvBias::qkv;
  std::optional<WindowOptions> windows{};  // WindowAttention in the place of Attention
  bool layer_scale = false;
  double layer_scale_init = 1e-5;
  double eps = 1e-6;
  double drop_path = 0;  // probability, in training only
};

class LayerScale final : public Module {
 public:
  LayerScale(std::int64_t dim, double init);
  const Variable& gamma() const { return gamma_->value; }

 private:
  Param* gamma_;
};

class Block final : public Module {
 public:
  explicit Block(const BlockOptions& options);
  Variable operator()(const Variable& x, const ForwardContext& context,
                      const BlockSite& site = {}) const;  // (N, L, dim)

 private:
  Variable attend(const Variable& x, const BlockSite& site) const;  // norm and attention
  Variable dropped(const Variable& y, const ForwardContext& context, const char* branch) const;

  double drop_path_;
  LayerNorm norm1_;
  std::optional<Attention> attn_;           // one of the two
  std::optional<WindowAttention> windows_;  // both are called "attn"
  std::optional<LayerScale> ls1_;
  LayerNorm norm2_;
  std::optional<Mlp> mlp_;        // one of the two
  std::optional<SwiGlu> swiglu_;  // both are called "mlp"
  std::optional<LayerScale> ls2_;
};

}  // namespace rein::nn
