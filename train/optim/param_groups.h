// Which trained parameter gets which weight decay and learning rate: the official rules (golden README 10).
#pragma once

#include <string_view>

#include "nn/module.h"
#include "train/optim/adamw.h"

namespace rein::train {

// No decay for names that contain `norm`, `query_embed`, `level_embed`, `learnable_tokens` or `reins.scale`, nor for
// any parameter of a normalisation layer. Everything else is decayed: biases, convolutions, all linear layers of Rein.
bool is_decayed(std::string_view path, const nn::Param& param);

struct GroupRules {
  double weight_decay = 0.05;
  double backbone_lr_multiplier = 1;  // for names that start with `backbone.` and not with `adapter`
  std::string adapter{};              // what an adapter's names begin with ("backbone.reins."); empty: there is none
};

// Adds every bound parameter that is not frozen, in declaration order.
void add_trained(AdamW& optimizer, nn::Module& root, const GroupRules& rules);

}  // namespace rein::train
