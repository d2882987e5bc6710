// Rein (Wei et al., CVPR 2024): learned tokens that refine the output of every block, as the official code computes it.
// Layer i, tokens T (m, C), patch rows X of the block's output (prefix rows pass unchanged):
//   A = softmax(X T^T / sqrt(C)) over the m tokens (without use_softmax: A = X T^T, without 1/sqrt(C))
//   B = A[:, 1:] mlp_token2feat(T[1:])           token 0 is dropped after the softmax: a place to look at nothing
//   X + scale * mlp_delta_f(B + X)
// Low-rank tokens: T = a[i] b[i].
// Queries (link): Z = transform(T) for all layers; per token and channel [max, mean, last] over layers, interleaved
// (element 3c + s), then merge -> (m, q).
//
// In mixed precision on CUDA (nn::Precision::bf16) operands of all products are bf16: X, T, A,
// mlp_token2feat(T), B + X, and the weights; softmax, scale and the sum with X are f32, as are the parameters and their
// gradients. T = a b itself is a product of parameters, in f32. On the CPU everything is f32.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/adapters/adapter.h"
#include "models/adapters/method.h"
#include "nn/linear.h"

namespace rein::models {

struct ReinOptions {
  std::int64_t layers = 0, dim = 0;  // 0: taken from the ViT by rein_for
  std::int64_t patch = 16;           // only scales the start values of the tokens
  std::int64_t token_length = 100;   // m; token 0 is only a place to look at nothing
  std::int64_t rank = 16;            // 0: full-rank tokens ("Reins"), else low-rank ones ("LoRAReins")
  std::int64_t query_dims = 256;
  bool link_token_to_query = true;
  bool use_softmax = true;
  bool zero_mlp_delta_f = false;   // mlp_delta_f starts at zero
  bool scale_is_parameter = true;  // false: the factor is the constant 1
  double scale_init = 0.001;
  bool shared_mlps = true;  // false: every layer has its own mlp_token2feat, mlp_delta_f and transform
  // The official class has transform and merge even without link, where nothing reaches them. False leaves them out
  // (the paper's counts).
  bool unlinked_parameters = true;
};

// Official names: learnable_tokens | learnable_tokens_a, learnable_tokens_b; scale; mlp_token2feat.*; mlp_delta_f.*;
// transform.*; merge.*. With own MLPs per layer: mlp_token2feat.N.*, mlp_delta_f.N.*, transform.N.*.
class ReinAdapter final : public Adapter {
 public:
  explicit ReinAdapter(const ReinOptions& options);
  // The same pass again while nothing is recorded and no parameter changed.
  std::shared_ptr<const AdapterPass> begin(const nn::ForwardContext& context) const override;
  std::int64_t query_count() const override { return options_.link_token_to_query ? options_.token_length : 0; }
  std::string tree_name() const override { return "reins"; }  // the official name
  const ReinOptions& options() const { return options_; }

 private:
  friend class ReinPass;
  // Products with bf16 operands (nn::Precision::bf16): on CUDA, for f32 parameters.
  bool rounds() const;
  const nn::Linear& of_layer(const std::deque<nn::Linear>& list, int layer) const;
  Variable all_tokens() const;  // (layers, m, C)
  Variable make_queries(const Variable& tokens, const std::vector<Variable>& per_layer) const;

  // Without recording (inference), passes are the same until a parameter is written to or bound anew: all windows of an
  // evaluation share one. Freed by the next recorded pass. Not for two threads at once.
  mutable Kept<std::shared_ptr<const AdapterPass>> pass_;

  ReinOptions options_;
  nn::Param* tokens_ = nullptr;
  nn::Param* tokens_a_ = nullptr;
  nn::Param* tokens_b_ = nullptr;
  nn::Param* scale_ = nullptr;
  std::deque<nn::Linear> token2feat_, delta_f_, transform_;  // one, or one per layer
  std::optional<nn::Linear> merge_;
  std::vector<const nn::Param*> all_params_;
};

// Fitted to a ViT: layers, dim and patch are filled in.
std::unique_ptr<ReinAdapter> rein_for(const VitOptions& vit, ReinOptions options);

// The method: Rein in a frozen backbone. Under a head that takes queries, query_dims becomes the head's width.
Method rein_method(const ReinOptions& options);
MethodEntry rein_entry();

}  // namespace rein::models
