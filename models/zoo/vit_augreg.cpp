// timm's AugReg ViTs (timm/vit_{tiny,small,base,large}_patch16_224.augreg_*): "How to train your ViT?", Steiner et al.
#include "models/zoo/layout.h"

namespace rein::models::zoo {

Layout vit_augreg() {
  return {
      .family = "vit_augreg",
      .name = "vit_augreg",
      .rules = original_names(),
      .ignored = {"head.*"},
      .marks = {"cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.norm1.weight",
                "blocks.0.attn.qkv.weight", "blocks.0.mlp.fc1.weight"},
      .telltale = {"head.weight"},  // MAE's encoder has the same names and shapes without it
      .foreign = {"mask_token", "register_tokens", "blocks.0.ls1.gamma", "blocks.0.attn.rel_pos_h",
                  "blocks.0.attn.q_bias", "decoder_embed.weight"},
      .class_row = ClassRow::learned,
      .eps = 1e-6,
      .mean = {0.5, 0.5, 0.5},
      .std = {0.5, 0.5, 0.5},
      .resize = PositionResize::bicubic,
  };
}

}  // namespace rein::models::zoo
