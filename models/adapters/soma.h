// SoMA (Yun et al., "SoMA: Singular Value Decomposed Minor Components Adaptation for Domain Generalizable
// Representation Learning", CVPR 2025): of each frozen weight W = U S V^T the r smallest singular triplets are tuned,
// as A0 = diag(sqrt(S_r / s)) V_r^T (r, in) and B0 = U_r diag(sqrt(S_r / s)) (out, r), s = alpha / r, and so are the
// biases:
//   y = (W - s B0 A0) x + s B A x + bias,   A = A0 and B = B0 at the start
// It is computed as W x + bias + s (B A - B0 A0) x: W stays as it is (in bf16, too), and the start is the untouched
// backbone's to a rounding of the small term. Derivatives of A and B: LoRA's (lora.h).
// q, k and v of a packed qkv are three matrices; so are w1 and w2 of a gated MLP two.
#pragma once

#include "models/adapters/low_rank.h"
#include "models/adapters/method.h"
#include "nn/bind.h"

namespace rein::models {

struct SomaOptions {
  std::int64_t rank = 16;
  double alpha = 16;
  std::string targets = "q,k,v,proj,fc1,fc2";  // names of tuned_matrices
  std::int64_t first_block = 8;  // of 24, the authors' choice. 4,866,048 parameters on DINOv2-L, 147,456 of them biases
};

// Names: blocks.N.attn.q.lora_A, .lora_B, and the constants .start_A and .start_B, which are no part of checkpoints:
// they follow from the backbone's file.
class Soma final : public LowRankAdapter {
 public:
  // Throws std::invalid_argument for a rank below 1 or above a matrix's smaller side, an alpha that is not above 0,
  // unknown targets, and a first block that is not there.
  Soma(const VitOptions& vit, const SomaOptions& options);
  std::string tree_name() const override { return "soma"; }
  bool trains_in_vit(const std::string& path) const override;
  // Decomposes the weights in f64 (singular.h; matrices side by side on all threads), unless `known` has all of
  // the constants. Sets the constants, and A and B to them.
  void start_from(Vit& vit, const nn::TensorSource* known) override;

 private:
  struct Start {
    nn::Param *a, *b, *start_a, *start_b;
  };
  std::vector<Start> starts_;  // of each matrix
  double factor_ = 1;
};

Method soma_method(const SomaOptions& options);
MethodEntry soma_entry();

}  // namespace rein::models
