// Masked autoencoders (He et al. 2022): the encoder, on all patches. The decoder has no effect on features.
#include "models/zoo/layout.h"

namespace rein::models::zoo {
namespace {

Layout mae(std::string_view name) {
  Layout layout;
  layout.family = "mae";
  layout.name = name;
  layout.mean = imagenet_mean;
  layout.std = imagenet_std;
  layout.resize = PositionResize::bicubic;
  layout.heads = {{1280, 16}};
  return layout;
}

}  // namespace

Layout mae_original() {
  Layout layout = mae("mae_orig");
  layout.rules = original_names();
  // Files that keep the decoder have its mask token under the name of DINOv2's.
  std::erase_if(layout.rules, [](const NameRule& rule) { return rule.theirs == "mask_token"; });
  layout.ignored = {"mask_token", "decoder_*"};
  layout.marks = {"cls_token",
                  "pos_embed",
                  "patch_embed.proj.weight",
                  "blocks.0.norm1.weight",
                  "blocks.0.attn.qkv.bias",
                  "blocks.0.mlp.fc1.weight",
                  "norm.weight"};
  // timm's classifiers have the same names, and a head; without the head, a class token with a learned position.
  layout.class_row = ClassRow::zero;
  layout.foreign = {"head.weight", "register_tokens", "blocks.0.ls1.gamma", "blocks.0.attn.rel_pos_h",
                    "blocks.0.attn.q_bias"};
  layout.eps = 1e-6;
  return layout;
}

Layout mae_hugging_face() {
  Layout layout = mae("mae_hf");
  layout.rules = {
      {"vit.embeddings.cls_token", "cls_token"},
      {"vit.embeddings.position_embeddings", "pos_embed"},
      {"vit.embeddings.patch_embeddings.projection.*", "patch_embed.proj.*"},
      {"vit.encoder.layer.#.layernorm_before.*", "blocks.#.norm1.*"},
      {"vit.encoder.layer.#.attention.attention.query.*", "blocks.#.attn.qkv.*", 0, 3},
      {"vit.encoder.layer.#.attention.attention.key.*", "blocks.#.attn.qkv.*", 1, 3},
      {"vit.encoder.layer.#.attention.attention.value.*", "blocks.#.attn.qkv.*", 2, 3},
      {"vit.encoder.layer.#.attention.output.dense.*", "blocks.#.attn.proj.*"},
      {"vit.encoder.layer.#.layernorm_after.*", "blocks.#.norm2.*"},
      {"vit.encoder.layer.#.intermediate.dense.*", "blocks.#.mlp.fc1.*"},
      {"vit.encoder.layer.#.output.dense.*", "blocks.#.mlp.fc2.*"},
      {"vit.layernorm.*", "norm.*"},
  };
  layout.ignored = {"decoder.*"};
  layout.marks = {"vit.embeddings.cls_token", "vit.embeddings.position_embeddings",
                  "vit.embeddings.patch_embeddings.projection.weight",
                  "vit.encoder.layer.0.attention.attention.query.weight"};
  layout.telltale = {"decoder.mask_token"};  // Hugging Face's plain ViT classifiers have the same names without it
  layout.eps = 1e-12;
  return layout;
}

}  // namespace rein::models::zoo
