// EVA-02 (Fang et al. 2023) as timm publishes it (q, k, v and gate, value apart in base and large, fused in tiny and
// small) and in the original files, which the official Rein converts (with and without the norm inside the MLP).
#include "models/zoo/layout.h"

namespace rein::models::zoo {
namespace {

constexpr std::array<double, 3> clip_mean = {0.48145466, 0.4578275, 0.40821073};
constexpr std::array<double, 3> clip_std = {0.26862954, 0.26130258, 0.27577711};

using Rules = std::vector<NameRule>;

// What the four layouts have in common.
Layout eva02(std::string_view name, const std::vector<Rules>& tables) {
  Layout layout;
  layout.family = "eva02";
  layout.name = name;
  layout.rules = {
      {"cls_token", "cls_token"},
      {"pos_embed", "pos_embed"},
      {"patch_embed.proj.*", "patch_embed.proj.*"},
      {"blocks.#.norm1.*", "blocks.#.norm1.*"},
      {"blocks.#.attn.proj.*", "blocks.#.attn.proj.*"},
      {"blocks.#.norm2.*", "blocks.#.norm2.*"},
  };
  for (const Rules& table : tables) layout.rules.insert(layout.rules.end(), table.begin(), table.end());
  layout.marks = {"cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.norm1.weight"};
  layout.foreign = {"register_tokens", "blocks.0.ls1.gamma", "blocks.0.attn.rel_pos_h"};
  layout.eps = 1e-6;
  layout.rope = {.kind = RopeKind::eva02, .theta = 10000, .reference_grid = 16};
  return layout;
}

Rules split_qkv() {
  return {
      {"blocks.#.attn.q_proj.weight", "blocks.#.attn.qkv.weight", 0, 3},
      {"blocks.#.attn.k_proj.weight", "blocks.#.attn.qkv.weight", 1, 3},
      {"blocks.#.attn.v_proj.weight", "blocks.#.attn.qkv.weight", 2, 3},
  };
}

Rules fused_qkv() {
  return {{"blocks.#.attn.qkv.weight", "blocks.#.attn.qkv.weight"}};
}

Rules shared_bias_names() {
  return {
      {"blocks.#.attn.q_bias", "blocks.#.attn.q_bias"},
      {"blocks.#.attn.v_bias", "blocks.#.attn.v_bias"},
  };
}

Rules original_mlp() {  // w1 is the gate
  return {
      {"blocks.#.mlp.w1.*", "blocks.#.mlp.w12.*", 0, 2},
      {"blocks.#.mlp.w2.*", "blocks.#.mlp.w12.*", 1, 2},
      {"blocks.#.mlp.w3.*", "blocks.#.mlp.w3.*"},
  };
}

// timm resizes positions antialiased, and normalises images as CLIP does.
Layout as_timm(Layout layout) {
  layout.ignored = {"fc_norm.*", "head.*"};
  layout.mean = clip_mean;
  layout.std = clip_std;
  layout.resize = PositionResize::bicubic_antialias;
  return layout;
}

// The rope tables are constants of the native grid; norm and lm_head belong to pre-training.
Layout as_original(Layout layout) {
  layout.ignored = {"rope.*", "blocks.#.attn.rope.*", "mask_token", "norm.*", "lm_head.*", "fc_norm.*", "head.*"};
  layout.mean = imagenet_mean;
  layout.std = imagenet_std;
  layout.resize = PositionResize::bicubic;
  return layout;
}

Layout marked(Layout layout, std::initializer_list<std::string_view> marks) {
  layout.marks.insert(layout.marks.end(), marks);
  return layout;
}

}  // namespace

Layout eva02_timm() {
  const Rules own = {
      {"blocks.#.attn.q_proj.bias", "blocks.#.attn.q_bias"}, {"blocks.#.attn.v_proj.bias", "blocks.#.attn.v_bias"},
      {"blocks.#.mlp.fc1_g.*", "blocks.#.mlp.w12.*", 0, 2},  {"blocks.#.mlp.fc1_x.*", "blocks.#.mlp.w12.*", 1, 2},
      {"blocks.#.mlp.norm.*", "blocks.#.mlp.norm.*"},        {"blocks.#.mlp.fc2.*", "blocks.#.mlp.w3.*"},
  };
  return marked(as_timm(eva02("eva02_timm", {split_qkv(), own})),
                {"blocks.0.attn.q_proj.weight", "blocks.0.attn.q_proj.bias", "blocks.0.mlp.fc1_g.weight"});
}

Layout eva02_timm_fused() {
  const Rules own = {
      {"blocks.#.mlp.fc1.*", "blocks.#.mlp.w12.*"},
      {"blocks.#.mlp.fc2.*", "blocks.#.mlp.w3.*"},
  };
  return marked(as_timm(eva02("eva02_timm_fused", {fused_qkv(), shared_bias_names(), own})),
                {"blocks.0.attn.qkv.weight", "blocks.0.attn.q_bias", "blocks.0.mlp.fc1.weight"});
}

Layout eva02_rein() {
  const Rules own = {{"blocks.#.mlp.ffn_ln.*", "blocks.#.mlp.norm.*"}};
  return marked(as_original(eva02("eva02_rein", {split_qkv(), shared_bias_names(), original_mlp(), own})),
                {"blocks.0.attn.q_proj.weight", "blocks.0.attn.q_bias", "blocks.0.mlp.w1.weight"});
}

Layout eva02_rein_fused() {
  return marked(as_original(eva02("eva02_rein_fused", {fused_qkv(), shared_bias_names(), original_mlp()})),
                {"blocks.0.attn.qkv.weight", "blocks.0.attn.q_bias", "blocks.0.mlp.w1.weight"});
}

}  // namespace rein::models::zoo
