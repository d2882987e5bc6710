// The interface of all parameter-efficient methods. A method is a Module (its parameters) that makes a pass per
// forward; the pass carries the hooks. Rein acts on a block's output, VPT before a block, LoRA on linear layers,
// AdaptFormer beside the MLP: none of them needs a change in the ViT.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "nn/hooks.h"
#include "nn/module.h"

namespace rein::nn {
class TensorSource;
}

namespace rein::models {

class Vit;

// The tokens on their way through the blocks: (N, prefix + h*w, C). The prefix (class token, registers, prompts) never
// reaches a feature map; a hook that inserts or removes rows keeps `prefix` true.
struct TokenState {
  Variable tokens;
  std::int64_t prefix = 0;
};

class AdapterPass : public nn::BlockHooks {
 public:
  // The two hooks around block i, called once for each block in order.
  virtual void before_block(int, TokenState&) const {}
  virtual void after_block(int, TokenState&) const {}
  // Queries for a query-based head, (m, q): the same for every image. Null: none.
  virtual Variable queries() const { return {}; }
};

class Adapter : public nn::Module {
 public:
  // Work that does not depend on the image is done here, once per forward.
  virtual std::shared_ptr<const AdapterPass> begin(const nn::ForwardContext& context) const = 0;
  // How many queries its passes give to a query-based head; 0: none.
  virtual std::int64_t query_count() const { return 0; }
  // Its name in the tree and in checkpoints, below the backbone: "reins".
  virtual std::string tree_name() const = 0;
  // Its hooks inside blocks (on_linear, beside_mlp, after_mlp) use trained parameters: a block that runs again in
  // backward must then be recorded whatever its input is.
  virtual bool trains_inside_blocks() const { return false; }
  // Parameters of the frozen ViT that train all the same, by their path in it ("blocks.8.mlp.fc1.bias").
  virtual bool trains_in_vit(const std::string&) const { return false; }
  // Once all values are there, and before a checkpoint's: values that start from the ViT's weights. Those of them that
  // are frozen are constants of the method. `known`: constants that an earlier call gave for the same weights, by their
  // names below the adapter, or null; what it lacks is computed.
  virtual void start_from(Vit&, const nn::TensorSource* /*known*/) {}
  // The frozen weights become what weights and adapter give together, so that the ViT alone does the same: equal to
  // rounding. False: the method cannot, nothing happened.
  virtual bool merge_into(Vit&) const { return false; }
};

}  // namespace rein::models
