// BitFit (Ben Zaken et al., "BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked
// Language-models", ACL 2022): the biases of the blocks are trained, all else of the backbone is frozen. No parameters
// and no products of its own. 270,336 biases in a ViT of 24 blocks of 1024 with an MLP of 4096.
#pragma once

#include "models/adapters/adapter.h"
#include "models/adapters/method.h"

namespace rein::models {

class BitFit final : public Adapter {
 public:
  std::shared_ptr<const AdapterPass> begin(const nn::ForwardContext& context) const override;
  std::string tree_name() const override { return "bitfit"; }
  bool trains_inside_blocks() const override { return true; }
  // blocks.N.…bias of linear layers and norms; EVA-02's q_bias and v_bias.
  bool trains_in_vit(const std::string& path) const override;
  bool merge_into(Vit&) const override { return true; }  // the biases are in their place already
};

MethodEntry bitfit_entry();

}  // namespace rein::models
