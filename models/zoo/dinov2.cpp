// DINOv2 (Oquab et al. 2023) in its two published layouts, without and with registers, giant's gated MLP included.
#include "models/zoo/layout.h"

namespace rein::models::zoo {

Layout dinov2_original() {
  return {
      .family = "dinov2",
      .name = "dinov2_orig",
      .rules = original_names(),
      .ignored = {},
      .marks = {"cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.norm1.weight",
                "blocks.0.attn.qkv.weight", "blocks.0.ls1.gamma"},
      .telltale = {},
      .foreign = {"blocks.0.attn.rel_pos_h"},
      .eps = 1e-6,
      .mean = imagenet_mean,
      .std = imagenet_std,
      .resize = PositionResize::bicubic_offset,
  };
}

Layout dinov2_hugging_face() {
  return {
      .family = "dinov2",
      .name = "dinov2_hf",
      .rules =
          {
              {"embeddings.cls_token", "cls_token"},
              {"embeddings.mask_token", "mask_token"},
              {"embeddings.register_tokens", "register_tokens"},
              {"embeddings.position_embeddings", "pos_embed"},
              {"embeddings.patch_embeddings.projection.*", "patch_embed.proj.*"},
              {"encoder.layer.#.norm1.*", "blocks.#.norm1.*"},
              {"encoder.layer.#.attention.attention.query.*", "blocks.#.attn.qkv.*", 0, 3},
              {"encoder.layer.#.attention.attention.key.*", "blocks.#.attn.qkv.*", 1, 3},
              {"encoder.layer.#.attention.attention.value.*", "blocks.#.attn.qkv.*", 2, 3},
              {"encoder.layer.#.attention.output.dense.*", "blocks.#.attn.proj.*"},
              {"encoder.layer.#.layer_scale1.lambda1", "blocks.#.ls1.gamma"},
              {"encoder.layer.#.norm2.*", "blocks.#.norm2.*"},
              {"encoder.layer.#.mlp.fc1.*", "blocks.#.mlp.fc1.*"},
              {"encoder.layer.#.mlp.fc2.*", "blocks.#.mlp.fc2.*"},
              {"encoder.layer.#.mlp.weights_in.*", "blocks.#.mlp.w12.*"},
              {"encoder.layer.#.mlp.weights_out.*", "blocks.#.mlp.w3.*"},
              {"encoder.layer.#.layer_scale2.lambda1", "blocks.#.ls2.gamma"},
              {"layernorm.*", "norm.*"},
          },
      .ignored = {},
      .marks = {"embeddings.cls_token", "embeddings.position_embeddings",
                "embeddings.patch_embeddings.projection.weight", "encoder.layer.0.norm1.weight",
                "encoder.layer.0.attention.attention.query.weight", "encoder.layer.0.layer_scale1.lambda1"},
      .telltale = {},
      .foreign = {},
      .eps = 1e-6,
      .mean = imagenet_mean,
      .std = imagenet_std,
      .resize = PositionResize::bicubic,
  };
}

}  // namespace rein::models::zoo
