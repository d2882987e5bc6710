// DINOv3 (Siméoni et al. 2025) as Hugging Face publishes it, with the plain MLP (S, B, L) and the gated one (S+, H+,
// 7B).
#include "models/zoo/layout.h"

namespace rein::models::zoo {
namespace {

Layout dinov3(std::string_view name, const std::vector<NameRule>& mlp, std::string_view mlp_mark) {
  Layout layout;
  layout.family = "dinov3";
  layout.name = name;
  layout.rules = {
      {"embeddings.cls_token", "cls_token"},
      {"embeddings.register_tokens", "register_tokens"},
      {"embeddings.patch_embeddings.*", "patch_embed.proj.*"},
      {"layer.#.norm1.*", "blocks.#.norm1.*"},
      {"layer.#.attention.q_proj.weight", "blocks.#.attn.qkv.weight", 0, 3},
      {"layer.#.attention.k_proj.weight", "blocks.#.attn.qkv.weight", 1, 3},
      {"layer.#.attention.v_proj.weight", "blocks.#.attn.qkv.weight", 2, 3},
      {"layer.#.attention.q_proj.bias", "blocks.#.attn.q_bias"},
      {"layer.#.attention.v_proj.bias", "blocks.#.attn.v_bias"},
      {"layer.#.attention.o_proj.*", "blocks.#.attn.proj.*"},
      {"layer.#.layer_scale1.lambda1", "blocks.#.ls1.gamma"},
      {"layer.#.norm2.*", "blocks.#.norm2.*"},
      {"layer.#.layer_scale2.lambda1", "blocks.#.ls2.gamma"},
      {"norm.*", "norm.*"},
  };
  layout.rules.insert(layout.rules.end(), mlp.begin(), mlp.end());
  layout.ignored = {"embeddings.mask_token"};
  layout.marks = {"embeddings.cls_token",         "embeddings.patch_embeddings.weight",
                  "layer.0.norm1.weight",         "layer.0.attention.q_proj.weight",
                  "layer.0.layer_scale1.lambda1", mlp_mark};
  layout.eps = 1e-5;
  layout.mean = imagenet_mean;
  layout.std = imagenet_std;
  layout.rope = {.kind = RopeKind::dinov3, .theta = 100};
  layout.native = 224;
  layout.heads = {{4096, 32}};  // 7B
  return layout;
}

}  // namespace

Layout dinov3_hugging_face() {
  Layout layout = dinov3("dinov3_hf",
                         {
                             {"layer.#.mlp.up_proj.*", "blocks.#.mlp.fc1.*"},
                             {"layer.#.mlp.down_proj.*", "blocks.#.mlp.fc2.*"},
                         },
                         "layer.0.mlp.up_proj.weight");
  layout.foreign = {"layer.0.mlp.gate_proj.weight"};
  return layout;
}

Layout dinov3_hugging_face_gated() {
  return dinov3("dinov3_hf_gated",
                {
                    {"layer.#.mlp.gate_proj.*", "blocks.#.mlp.w12.*", 0, 2},
                    {"layer.#.mlp.up_proj.*", "blocks.#.mlp.w12.*", 1, 2},
                    {"layer.#.mlp.down_proj.*", "blocks.#.mlp.w3.*"},
                },
                "layer.0.mlp.gate_proj.weight");
}

}  // namespace rein::models::zoo
