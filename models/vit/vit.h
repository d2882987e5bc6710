// The plain ViT: image to tokens through pre-norm blocks. Official names (original DINOv2, timm): cls_token, pos_embed,
// register_tokens, mask_token, patch_embed.proj.*, blocks.N.{norm1,attn.qkv,attn.proj,ls1,norm2,mlp,ls2}.*, norm.*.
// Of other families: norm_pre.* (timm's name), blocks.N.attn.{rel_pos_h,rel_pos_w,q_bias,v_bias},
// blocks.N.mlp.norm.*.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "models/adapters/adapter.h"
#include "models/vit/rope_table.h"
#include "models/vit/vit_options.h"
#include "nn/conv.h"
#include "tensor/kept.h"

namespace rein::models {

struct VitForward {
  std::vector<int> out_indices;  // blocks whose output is wanted, ascending, from 0
  const Adapter* adapter = nullptr;
  bool want_final = false;  // the last block's patch tokens after the final norm
  // Keep only the blocks' inputs and run each block again in backward (autograd/recompute.h).
  bool recompute = false;
  bool blocks_trainable = true;  // some parameter inside the blocks, or of a hook there, wants a gradient
  bool frozen = false;           // the blocks run in eval mode; the adapter sees the context as it is
  // i64 (N, K): the patches that enter the blocks, by their place in the grid; null: all. No maps then, and no adapter.
  Tensor visible{};
};

struct VitOutput {
  std::vector<Variable> features;  // per out index (N, h, w, C), after the adapter, without prefix and final norm
  Variable final_map;              // (N, h, w, C), null unless wanted
  Variable final_tokens;           // in its place with visible patches: (N, prefix + K, C)
  Variable queries;                // of the adapter, null if it gives none
};

class Vit final : public nn::Module {
 public:
  explicit Vit(const VitOptions& options);

  // image (N, H, W, 3), normalised; H and W multiples of the patch size. Blocks after the last wanted one do not run.
  VitOutput forward(const Variable& image, const nn::ForwardContext& context, const VitForward& wanted) const;

  // One block alone, for reference cases: tokens (N, L, C).
  const nn::Block& block(int index) const { return blocks_.at(static_cast<std::size_t>(index)); }
  const VitOptions& options() const { return options_; }

 private:
  // The patch rows of the position table for an (h, w) grid: (h*w, C). Cached while pos_embed is a constant.
  Variable positions(std::int64_t h, std::int64_t w) const;
  // In the dtype and on the device of `like`; cached. Null when the family has none.
  ops::RopeTable rope(std::int64_t h, std::int64_t w, const Tensor& like) const;
  Variable embed(const Variable& image, const Tensor& visible) const;
  Variable map_of(const TokenState& state, std::int64_t h, std::int64_t w) const;

  VitOptions options_;
  nn::Param* cls_token_ = nullptr;
  nn::Param* pos_embed_ = nullptr;
  nn::Param* register_tokens_ = nullptr;
  nn::PatchEmbed patch_embed_;
  std::optional<nn::LayerNorm> norm_pre_;
  std::deque<nn::Block> blocks_;
  std::optional<nn::LayerNorm> norm_;

  struct CachedPositions {
    std::int64_t h = 0, w = 0;
    Kept<Tensor> rows{};  // of the table
  };
  mutable std::vector<CachedPositions> cache_;
  struct CachedRope {
    std::int64_t h = 0, w = 0;
    ops::RopeTable table;
  };
  mutable std::vector<CachedRope> rope_cache_;
};

}  // namespace rein::models
