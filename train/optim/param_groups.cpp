#include "train/optim/param_groups.h"

#include <algorithm>
#include <array>

namespace rein::train {
namespace {

constexpr std::array<std::string_view, 5> undecayed = {"norm", "query_embed", "level_embed", "learnable_tokens",
                                                       "reins.scale"};

}  // namespace

bool is_decayed(std::string_view path, const nn::Param& param) {
  return !param.norm &&
         std::ranges::none_of(undecayed, [&](std::string_view part) { return path.find(part) != path.npos; });
}

void add_trained(AdamW& optimizer, nn::Module& root, const GroupRules& rules) {
  root.visit([&](const std::string& path, nn::Param& param) {
    if (param.frozen || !param.value) return;
    const bool backbone = path.starts_with("backbone.") && (rules.adapter.empty() || !path.starts_with(rules.adapter));
    optimizer.add(path, param.value, backbone ? rules.backbone_lr_multiplier : 1,
                  is_decayed(path, param) ? rules.weight_decay : 0);
  });
}

}  // namespace rein::train
