// A ViT with an optional adapter, as a segmentor's backbone: four feature maps at the patch grid, and queries.
#pragma once

#include <memory>
#include <vector>

#include "models/adapters/adapter.h"
#include "models/vit/vit.h"

namespace rein::models {

struct BackboneOptions {
  VitOptions vit{};
  std::vector<int> out_indices{};  // empty: the quarters, e.g. 2 5 8 11 of 12 blocks, 5 11 17 23 of 24
  bool recompute = false;
};

struct BackboneOutput {
  std::vector<Variable> features;  // (N, h, w, C) each, all of one size
  Variable queries;                // (m, q) or null
};

// Names: the ViT's at the top, the adapter's under its own name ("reins").
class Backbone final : public nn::Module {
 public:
  Backbone(const BackboneOptions& options, std::unique_ptr<Adapter> adapter = nullptr);

  // A frozen ViT runs in eval mode whatever `context` says (its adapter does not); without an adapter it records
  // nothing.
  BackboneOutput forward(const Variable& image, const nn::ForwardContext& context) const;

  void freeze_vit(bool frozen = true);  // but for what the adapter trains in it (Adapter::trains_in_vit)
  Vit& vit() { return vit_; }
  Adapter* adapter() { return adapter_.get(); }
  const Adapter* adapter() const { return adapter_.get(); }  // null: none
  const BackboneOptions& options() const { return options_; }

 private:
  BackboneOptions options_;
  Vit vit_;
  std::unique_ptr<Adapter> adapter_;
  bool vit_frozen_ = false;
};

}  // namespace rein::models
