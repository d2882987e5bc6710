#include "models/vit/backbone.h"

#include <utility>

#include "tensor/error.h"

namespace rein::models {
namespace {

BackboneOptions with_indices(BackboneOptions options) {
  if (!options.out_indices.empty()) return options;
  const std::int64_t depth = options.vit.depth;
  require(depth >= 4, "backbone", "needs out_indices for a ViT of ", depth, " blocks");
  for (std::int64_t quarter = 1; quarter <= 4; ++quarter) {
    options.out_indices.push_back(static_cast<int>(quarter * depth / 4 - 1));
  }
  return options;
}

}  // namespace

Backbone::Backbone(const BackboneOptions& options, std::unique_ptr<Adapter> adapter)
    : options_(with_indices(options)), vit_(options.vit), adapter_(std::move(adapter)) {
  child("", vit_);
  if (adapter_) child(adapter_->tree_name(), *adapter_);
}

void Backbone::freeze_vit(bool frozen) {
  vit_.freeze(frozen);
  vit_frozen_ = frozen;
  if (!frozen || !adapter_) return;
  vit_.visit([&](const std::string& path, nn::Param& param) {
    if (adapter_->trains_in_vit(path)) nn::set_frozen(param, false);
  });
}

BackboneOutput Backbone::forward(const Variable& image, const nn::ForwardContext& context) const {
  VitOutput out = vit_.forward(image, context,
                               {.out_indices = options_.out_indices,
                                .adapter = adapter_.get(),
                                .want_final = false,
                                .recompute = options_.recompute,
                                .blocks_trainable = !vit_frozen_ || (adapter_ && adapter_->trains_inside_blocks()),
                                .frozen = vit_frozen_});
  return {std::move(out.features), std::move(out.queries)};
}

}  // namespace rein::models
