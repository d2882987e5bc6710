#include "models/zoo/layout.h"

namespace rein::models::zoo {

std::vector<NameRule> original_names() {
  std::vector<NameRule> rules;
  for (const std::string_view same : {
           "cls_token",
           "mask_token",
           "register_tokens",
           "pos_embed",
           "patch_embed.proj.*",
           "blocks.#.norm1.*",
           "blocks.#.attn.qkv.*",
           "blocks.#.attn.proj.*",
           "blocks.#.ls1.gamma",
           "blocks.#.norm2.*",
           "blocks.#.mlp.fc1.*",
           "blocks.#.mlp.fc2.*",
           "blocks.#.mlp.w12.*",
           "blocks.#.mlp.w3.*",
           "blocks.#.ls2.gamma",
           "norm.*",
       })
    rules.push_back({same, same});
  return rules;
}

}  // namespace rein::models::zoo
