// Visual prompt tuning (Jia et al., "Visual Prompt Tuning", ECCV 2022): n learned tokens P[i] (n, C) that block i sees
// beside the image's. Deep: each block has its own; what it makes of them is dropped and the next block's stand there
// in their place. Shallow: the first block's alone, which go on through all blocks as the class token does.
// Prompts have no position: neither an entry of the table nor a rotary angle. Feature maps are the patches'.
//   dL/dP[i] = the gradient of the rows that hold it, summed over the images.
// Attention is symmetric in its tokens, so the prompts stand in front of all others.
#pragma once

#include <cstdint>
#include <memory>

#include "models/adapters/adapter.h"
#include "models/adapters/method.h"
#include "models/vit/vit_options.h"

namespace rein::models {

struct VptOptions {
  std::int64_t prompts = 150;  // n; the paper's table: 3,686,400 parameters for 24 blocks of 1024
  bool deep = true;
  std::int64_t first_block = 0;  // blocks before this one see no prompts
};

// Names: prompts (blocks with their own, n, C), uniform in +-sqrt(6 / (3 patch^2 + C)) at the start.
class Vpt final : public Adapter {
 public:
  // Throws std::invalid_argument for no prompts, a first block that is not there, and a ViT with windows (SAM): its
  // attention over a map has relative positions and no place for further tokens.
  Vpt(const VitOptions& vit, const VptOptions& options);
  std::shared_ptr<const AdapterPass> begin(const nn::ForwardContext& context) const override;
  std::string tree_name() const override { return "vpt"; }

 private:
  VptOptions options_;
  nn::Param* prompts_;
};

Method vpt_method(const VptOptions& options);
MethodEntry vpt_entry();

}  // namespace rein::models
