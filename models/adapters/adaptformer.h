// AdaptFormer (Chen et al., "AdaptFormer: Adapting Vision Transformers for Scalable Visual Recognition", NeurIPS 2022):
// a narrow branch beside each block's MLP. From the residual stream x before the MLP, not normalised, prefix rows too:
//   change = s up(drop(relu(down(x)))),   down (k, C), up (C, k), both with biases; s is fixed
// added to the block's output (outside LayerScale), or to the MLP's branch before LayerScale (inside). The paper's ViT
// has no LayerScale. With the usual small gammas inside nearly silences the branch, so outside is the default.
// With G = dL/dchange and m = keep / (1 - p) where relu is open, else 0:
//   dL/dup = s G^T drop(relu(..)),  dL/ddown = (s m (up^T G)) x^T,  dL/dx += down^T (s m (up^T G)).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "models/adapters/adapter.h"
#include "models/adapters/method.h"
#include "models/vit/vit_options.h"
#include "nn/linear.h"

namespace rein::models {

struct AdaptFormerOptions {
  std::int64_t bottleneck = 64;  // k; the paper's table: 3,171,840 parameters for 24 blocks of 1024
  double scale = 0.1;            // s
  double dropout = 0.1;          // after relu, in training only
  bool outside_layer_scale = true;
  std::int64_t first_block = 0;  // blocks before this one have no branch
};

// Names, the authors': blocks.N.adaptmlp.down_proj.{weight,bias}, blocks.N.adaptmlp.up_proj.{weight,bias}. At the start
// down is uniform in +-1/sqrt(C), all else zero.
class AdaptFormer : public Adapter {
 public:
  // Throws std::invalid_argument for a bottleneck below 1, a scale that is not finite, a dropout outside [0, 1), and a
  // first block that is not there.
  AdaptFormer(const VitOptions& vit, const AdaptFormerOptions& options);
  std::shared_ptr<const AdapterPass> begin(const nn::ForwardContext& context) const override;
  std::string tree_name() const override { return "adaptformer"; }
  bool trains_inside_blocks() const override { return true; }
  const AdaptFormerOptions& options() const { return options_; }

 protected:
  // h (N, L, k) after relu. The mask's key is the module's path and the block.
  virtual Variable dropped(int block, const Variable& h, const nn::ForwardContext& context) const;

 private:
  friend class AdaptFormerPass;
  AdaptFormerOptions options_;
  std::deque<nn::Linear> down_, up_;  // of each block from first_block on
};

Method adaptformer_method(const AdaptFormerOptions& options);
MethodEntry adaptformer_entry();

}  // namespace rein::models
