// The image encoder of Segment Anything (Kirillov et al. 2023). Neck, prompts and mask decoder have no effect on
// features, which are taken from the blocks.
#include "models/zoo/layout.h"

namespace rein::models::zoo {
namespace {

Layout sam(std::string_view name) {
  Layout layout;
  layout.family = "sam";
  layout.name = name;
  layout.eps = 1e-6;
  layout.mean = imagenet_mean;
  layout.std = imagenet_std;
  layout.resize = PositionResize::bicubic;
  layout.windows = true;
  layout.heads = {{1280, 16}};
  return layout;
}

}  // namespace

Layout sam_original() {
  Layout layout = sam("sam_orig");
  layout.rules = {
      {.theirs = "image_encoder.pos_embed", .ours = "pos_embed", .form = Form::map},
      {"image_encoder.patch_embed.proj.*", "patch_embed.proj.*"},
      {"image_encoder.blocks.#.norm1.*", "blocks.#.norm1.*"},
      {"image_encoder.blocks.#.attn.qkv.*", "blocks.#.attn.qkv.*"},
      {"image_encoder.blocks.#.attn.proj.*", "blocks.#.attn.proj.*"},
      {"image_encoder.blocks.#.attn.rel_pos_h", "blocks.#.attn.rel_pos_h"},
      {"image_encoder.blocks.#.attn.rel_pos_w", "blocks.#.attn.rel_pos_w"},
      {"image_encoder.blocks.#.norm2.*", "blocks.#.norm2.*"},
      {"image_encoder.blocks.#.mlp.lin1.*", "blocks.#.mlp.fc1.*"},
      {"image_encoder.blocks.#.mlp.lin2.*", "blocks.#.mlp.fc2.*"},
  };
  layout.ignored = {"image_encoder.neck.*", "prompt_encoder.*", "mask_decoder.*", "pixel_mean", "pixel_std"};
  layout.marks = {"image_encoder.pos_embed", "image_encoder.patch_embed.proj.weight",
                  "image_encoder.blocks.0.attn.qkv.weight", "image_encoder.blocks.0.attn.rel_pos_h"};
  return layout;
}

Layout sam_hugging_face() {
  Layout layout = sam("sam_hf");
  layout.rules = {
      {.theirs = "vision_encoder.pos_embed", .ours = "pos_embed", .form = Form::map},
      {"vision_encoder.patch_embed.projection.*", "patch_embed.proj.*"},
      {"vision_encoder.layers.#.layer_norm1.*", "blocks.#.norm1.*"},
      {"vision_encoder.layers.#.attn.qkv.*", "blocks.#.attn.qkv.*"},
      {"vision_encoder.layers.#.attn.proj.*", "blocks.#.attn.proj.*"},
      {"vision_encoder.layers.#.attn.rel_pos_h", "blocks.#.attn.rel_pos_h"},
      {"vision_encoder.layers.#.attn.rel_pos_w", "blocks.#.attn.rel_pos_w"},
      {"vision_encoder.layers.#.layer_norm2.*", "blocks.#.norm2.*"},
      {"vision_encoder.layers.#.mlp.lin1.*", "blocks.#.mlp.fc1.*"},
      {"vision_encoder.layers.#.mlp.lin2.*", "blocks.#.mlp.fc2.*"},
  };
  layout.ignored = {"vision_encoder.neck.*", "prompt_encoder.*", "mask_decoder.*", "shared_image_embedding.*"};
  layout.marks = {"vision_encoder.pos_embed", "vision_encoder.patch_embed.projection.weight",
                  "vision_encoder.layers.0.attn.qkv.weight", "vision_encoder.layers.0.attn.rel_pos_h"};
  return layout;
}

}  // namespace rein::models::zoo
