#include "nn/block.h"

#include "autograd/ops/elementwise/dropout.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "tensor/error.h"

namespace rein::nn {

LayerScale::LayerScale(std::int64_t dim, double init) {
  gamma_ = &declare("gamma", Shape{dim}, Init::constant(init));
}

Block::Block(const BlockOptions& options)
    : drop_path_(options.drop_path), norm1_(options.dim, options.eps), norm2_(options.dim, options.eps) {
  child("norm1", norm1_);
  if (options.windows) {
    require(options.qkv_bias == QkvBias::qkv, "block", "attention over a map has biases for q, k and v");
    child("attn", windows_.emplace(options.dim, options.heads, *options.windows));
  } else {
    child("attn", attn_.emplace(options.dim, options.heads, options.qkv_bias));
  }
  if (options.layer_scale) child("ls1", ls1_.emplace(options.dim, options.layer_scale_init));
  child("norm2", norm2_);
  if (options.mlp == MlpKind::swiglu) {
    const auto norm_eps = options.mlp_norm ? std::optional(options.eps) : std::nullopt;
    child("mlp", swiglu_.emplace(options.dim, options.mlp_hidden, norm_eps));
  } else {
    const Activation activation = options.mlp == MlpKind::gelu ? Activation::gelu : Activation::quick_gelu;
    child("mlp", mlp_.emplace(options.dim, options.mlp_hidden, activation));
  }
  if (options.layer_scale) child("ls2", ls2_.emplace(options.dim, options.layer_scale_init));
}

Variable Block::attend(const Variable& x, const BlockSite& site) const {
  if (windows_) return (*windows_)(norm1_(x), site);  // relative positions are added to f32 logits
  return (*attn_)(norm1_(x, attn_->input_dtype()), site);
}

Variable Block::dropped(const Variable& y, const ForwardContext& context, const char* branch) const {
  if (!context.training || drop_path_ <= 0) return y;
  return drop_path(y, drop_path_, {.key = key(context).child(branch), .first_sample = context.first_sample});
}

// Temporaries end with their statement: without recording, a branch's values are gone before the next one begins.
Variable Block::operator()(const Variable& x, const ForwardContext& context, const BlockSite& site) const {
  const Variable middle = residual(x, dropped(attend(x, site), context, "attn"), ls1_ ? ls1_->gamma() : Variable{});
  const Variable normed = norm2_(middle, mlp_ ? mlp_->input_dtype() : swiglu_->input_dtype());
  const Variable mixed = site.mlp(middle, mlp_ ? (*mlp_)(normed, site) : (*swiglu_)(normed, site));
  return site.output(middle, residual(middle, dropped(mixed, context, "mlp"), ls2_ ? ls2_->gamma() : Variable{}));
}

}  // namespace rein::nn
