// CLIP's image encoder (Radford et al. 2021): Hugging Face's file of the whole model, OpenAI's, and the official
// Rein's, whose names are OpenAI's and whose rules are its own: positions are bilinear, and the class token is added
// twice, with the token and with its position. Text encoder, projection and the norm of the class token have no effect
// on features.
#include "models/zoo/layout.h"

namespace rein::models::zoo {
namespace {

constexpr std::array<double, 3> clip_mean = {0.48145466, 0.4578275, 0.40821073};
constexpr std::array<double, 3> clip_std = {0.26862954, 0.26130258, 0.27577711};

// What all three have in common.
Layout clip(std::string_view name) {
  Layout layout;
  layout.family = "clip";
  layout.name = name;
  layout.eps = 1e-5;
  layout.mean = clip_mean;
  layout.std = clip_std;
  layout.resize = PositionResize::bicubic;
  layout.convert_positions = ops::Interpolation::bilinear;
  layout.mlp = nn::MlpKind::quick_gelu;
  layout.stem = {.patch_bias = false, .pre_norm = true, .class_token_times = 1};
  return layout;
}

Layout openai_names(std::string_view name) {
  Layout layout = clip(name);
  layout.rules = {
      {.theirs = "visual.class_embedding", .ours = "cls_token", .form = Form::vector},
      {.theirs = "visual.positional_embedding", .ours = "pos_embed", .form = Form::table},
      {"visual.conv1.*", "patch_embed.proj.*"},
      {"visual.ln_pre.*", "norm_pre.*"},
      {"visual.transformer.resblocks.#.ln_1.*", "blocks.#.norm1.*"},
      {"visual.transformer.resblocks.#.attn.in_proj_weight", "blocks.#.attn.qkv.weight"},
      {"visual.transformer.resblocks.#.attn.in_proj_bias", "blocks.#.attn.qkv.bias"},
      {"visual.transformer.resblocks.#.attn.out_proj.*", "blocks.#.attn.proj.*"},
      {"visual.transformer.resblocks.#.ln_2.*", "blocks.#.norm2.*"},
      {"visual.transformer.resblocks.#.mlp.c_fc.*", "blocks.#.mlp.fc1.*"},
      {"visual.transformer.resblocks.#.mlp.c_proj.*", "blocks.#.mlp.fc2.*"},
  };
  layout.ignored = {"visual.ln_post.*", "visual.proj",     "transformer.*", "token_embedding.weight",
                    "ln_final.*",       "text_projection", "logit_scale",   "positional_embedding",
                    "input_resolution", "context_length",  "vocab_size"};
  layout.marks = {"visual.class_embedding", "visual.positional_embedding", "visual.conv1.weight",
                  "visual.ln_pre.weight", "visual.transformer.resblocks.0.attn.in_proj_weight"};
  return layout;
}

}  // namespace

Layout clip_hugging_face() {
  Layout layout = clip("clip_hf");
  layout.rules = {
      {.theirs = "vision_model.embeddings.class_embedding", .ours = "cls_token", .form = Form::vector},
      {.theirs = "vision_model.embeddings.position_embedding.weight", .ours = "pos_embed", .form = Form::table},
      {"vision_model.embeddings.patch_embedding.*", "patch_embed.proj.*"},
      {"vision_model.pre_layrnorm.*", "norm_pre.*"},  // spelt like that
      {"vision_model.encoder.layers.#.layer_norm1.*", "blocks.#.norm1.*"},
      {"vision_model.encoder.layers.#.self_attn.q_proj.*", "blocks.#.attn.qkv.*", 0, 3},
      {"vision_model.encoder.layers.#.self_attn.k_proj.*", "blocks.#.attn.qkv.*", 1, 3},
      {"vision_model.encoder.layers.#.self_attn.v_proj.*", "blocks.#.attn.qkv.*", 2, 3},
      {"vision_model.encoder.layers.#.self_attn.out_proj.*", "blocks.#.attn.proj.*"},
      {"vision_model.encoder.layers.#.layer_norm2.*", "blocks.#.norm2.*"},
      {"vision_model.encoder.layers.#.mlp.fc1.*", "blocks.#.mlp.fc1.*"},
      {"vision_model.encoder.layers.#.mlp.fc2.*", "blocks.#.mlp.fc2.*"},
  };
  layout.ignored = {"vision_model.post_layernorm.*", "vision_model.embeddings.position_ids",
                    "visual_projection.weight",      "text_model.*",
                    "text_projection.weight",        "logit_scale"};
  layout.marks = {"vision_model.embeddings.class_embedding", "vision_model.embeddings.position_embedding.weight",
                  "vision_model.embeddings.patch_embedding.weight", "vision_model.pre_layrnorm.weight",
                  "vision_model.encoder.layers.0.self_attn.q_proj.weight"};
  return layout;
}

// OpenAI's grids are 7, 14, 16 and 24; the official Rein's converted ones 32 (512 pixels) and more.
constexpr std::int64_t between_grids = 28 * 28;

Layout clip_openai() {
  Layout layout = openai_names("clip_openai");
  layout.most_positions = between_grids;
  return layout;
}

Layout clip_rein() {
  Layout layout = openai_names("clip_rein");
  layout.least_positions = between_grids;
  layout.mean = imagenet_mean;
  layout.std = imagenet_std;
  layout.resize = PositionResize::bilinear;
  layout.stem.class_token_times = 2;
  return layout;
}

}  // namespace rein::models::zoo
