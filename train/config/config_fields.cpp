// The list of all keys. Rules that concern one field alone stand in config.cpp, check().
#include <algorithm>
#include <variant>

#include "train/config/config.h"

namespace rein::train {

namespace {

// Keys of data and train that have no meaning without labels, a head or scores.
bool needs_labels(const std::string& key) {
  return key == "data.cat_max_ratio" || key == "train.backbone_lr" || key == "train.eval_every" ||
         key == "train.recompute" || key == "train.cuda_graph";
}

const char* method_text() {
  static const std::string text = [] {
    std::string list = "what is trained: ";
    for (const models::MethodEntry& entry : models::methods())
      list += (&entry == &models::methods().front() ? "" : ", ") + entry.name + " (" + entry.text + ")";
    return list;
  }();
  return text.c_str();
}

// model.METHOD.KEY for all settings that methods declare.
std::vector<Field> method_fields(Config& c) {
  std::vector<Field> list;
  for (const models::MethodEntry& entry : models::methods())
    for (const models::Setting& setting : entry.settings)
      std::visit(
          [&](auto& value) {
            list.push_back({"model." + entry.name + "." + setting.key, &value, setting.text});
          },
          c.methods.at(entry.name).value(setting.key));
  return list;
}

std::vector<Field> all_fields(Config& c) {
  constexpr bool free = true;
  return {
      {"pretrain.patch", &c.pretrain.patch, "side of a patch in pixels"},
      {"pretrain.width", &c.pretrain.width, "channels of the ViT"},
      {"pretrain.depth", &c.pretrain.depth, "blocks of the ViT"},
      {"pretrain.heads", &c.pretrain.heads,
       "attention heads; 0: width / 64. Whoever loads the file must say another number (model.heads)"},
      {"pretrain.decoder_width", &c.pretrain.decoder_width, "channels of the decoder, which is thrown away afterwards"},
      {"pretrain.decoder_depth", &c.pretrain.decoder_depth, "blocks of the decoder"},
      {"pretrain.decoder_heads", &c.pretrain.decoder_heads, "attention heads of the decoder"},
      {"pretrain.hidden", &c.pretrain.hidden, "part of the patches that the ViT does not see"},
      {"pretrain.target", &c.pretrain.target,
       "what is predicted: same (the hidden patches), or other_style (all patches of the same scene in another style; "
       "needs rendered scenes of several styles)"},
      {"pretrain.normalise", &c.pretrain.normalise,
       "whose mean and variance the target's pixels are normalised by: patch (each by its own), or photo"},
      {"pretrain.variance_floor", &c.pretrain.variance_floor,
       "added to that variance (photos have about 1): with 0.1, say, flat patches have flat targets"},
      {"pretrain.photos", &c.pretrain.photos, "use the first so many photos of the split; 0: all"},
      {"pretrain.cache_mib", &c.pretrain.cache_mib, "keep up to so many MiB of decoded or rendered photos in memory",
       free},
      {"model.backbone", &c.model.backbone,
       "backbone's file (.safetensors, index of shards, .pth, .pt), below the weights folder; beginning with ./ or "
       "../: "
       "relative to this file",
       free},
      {"model.weights", &c.model.weights,
       "file, or random: the file gives the architecture alone, and train.seed the values (smoke tests, baselines)"},
      {"model.method", &c.model.method, method_text()},
      {"model.head", &c.model.head,
       "semantic_fpn, or mask2former (with method rein and rein.link_queries, Rein's tokens make its queries)"},
      {"model.family", &c.model.family,
       "dinov2, clip …, or with size dinov2-large: refuses other files; empty: any that is recognised"},
      {"model.layout", &c.model.layout,
       "dinov2_orig, clip_rein …: the names in the file, where these fit several layouts, and the rules that go with "
       "them; empty: the one that fits"},
      {"model.heads", &c.model.heads, "attention heads of the backbone; 0: width / 64, as every published size has"},
      {"model.patch", &c.model.patch, "side of a patch in pixels, kernels are resized to it; 0: as in the file"},
      {"model.image_size", &c.model.image_size,
       "side in pixels that the position grid is resized to once; 0: the training crop"},
      {"model.out_indices", &c.model.out_indices,
       "blocks (from 0) whose outputs the head reads, four of them; []: the official ones of 12 and 24 blocks, else "
       "the ends of the four quarters"},
      {"model.fpn_channels", &c.model.fpn_channels, "channels of the feature pyramid"},
      {"model.head_channels", &c.model.head_channels, "channels of the head"},
      {"model.groups", &c.model.groups, "groups of the head's GroupNorm"},
      {"model.precision", &c.model.precision,
       "f32, or bf16: products with frozen weights take bf16 operands and f32 sums; faster, half their memory. On CUDA "
       "Rein's products, too, and those of the head TF32"},
      {"model.dropout", &c.model.dropout, "probability of dropping a channel before the classifier"},
      {"model.mean", &c.model.mean, "mean of R, G, B in 0..255; []: what the backbone's family was trained with"},
      {"model.std", &c.model.std, "deviation of R, G, B in 0..255; []: likewise"},
      {"data.dataset", &c.data.dataset, "description of the training set (TOML), relative to this file", free},
      {"data.root", &c.data.root, "folder of the training set, below the data folder; empty: it is rendered", free},
      {"data.split", &c.data.split, "split of the training set"},
      {"data.crop", &c.data.crop, "side of the training crop in pixels"},
      {"data.short_edges", &c.data.short_edges,
       "the photo's shortest edge is drawn from these; []: crop * k / 10 for k = 5 .. 20"},
      {"data.max_long_edge", &c.data.max_long_edge, "bound of the longest edge after resizing"},
      {"data.cat_max_ratio", &c.data.cat_max_ratio,
       "a crop is redrawn while one class holds more than this part of it"},
      {"data.flip", &c.data.flip, "probability of mirroring"},
      {"data.photometric", &c.data.photometric, "distort brightness, contrast, saturation and hue"},
      {"data.workers", &c.data.workers, "threads that read and transform photos", free},
      {"train.iterations", &c.train.iterations, "steps of the optimiser"},
      {"train.batch", &c.train.batch, "photos per step"},
      {"train.micro_batch", &c.train.micro_batch,
       "photos per forward pass, a divisor of the batch; gradients add up to the whole batch's; 0: the batch"},
      {"train.lr", &c.train.lr, "learning rate"},
      {"train.backbone_lr", &c.train.backbone_lr, "learning rate of the backbone under method full"},
      {"train.weight_decay", &c.train.weight_decay,
       "weight decay (not for norms, embeddings, Rein's tokens and scale)"},
      {"train.beta1", &c.train.beta1, "AdamW: decay of the first moment"},
      {"train.beta2", &c.train.beta2, "AdamW: decay of the second moment"},
      {"train.eps", &c.train.eps, "AdamW: added to the root of the second moment"},
      {"train.clip", &c.train.clip, "bound of the norm of all gradients together; 0: none"},
      {"train.power", &c.train.power, "lr * (1 - step / zero_at)^power; 0: constant rate"},
      {"train.zero_at", &c.train.zero_at, "step at which the rate is 0; 0: iterations - 1, the official rule"},
      {"train.warmup", &c.train.warmup, "steps of linear warm-up before the polynomial part"},
      {"train.warmup_start", &c.train.warmup_start, "factor on lr at the first step of the warm-up"},
      {"train.seed", &c.train.seed, "initial values, sampling, transforms and dropout follow from it"},
      {"train.eval_every", &c.train.eval_every, "evaluate on all targets every so many steps; 0: only at the end",
       free},
      {"train.checkpoint_every", &c.train.checkpoint_every, "write a checkpoint every so many steps", free},
      {"train.keep_last", &c.train.keep_last, "checkpoints kept, beside the best one", free},
      {"train.recompute", &c.train.recompute, "recompute blocks in backward: less memory, more time", free},
      {"train.cuda_graph", &c.train.cuda_graph, "on a GPU: give each step as one graph instead of kernel by kernel",
       free},
      {"train.threads", &c.train.threads, "threads of the kernels; 0: REIN_THREADS or all cores", free},
      {"eval.preset", &c.eval.preset,
       "published protocol: rein512, rein1024 or full-res; it gives the window, the stride and the resize of each "
       "known "
       "set, and a target's own keys win over it",
       free},
      {"eval.window", &c.eval.window,
       "side of the sliding window in pixels; 0: as eval.preset says, else the whole photo at once", free},
      {"eval.stride", &c.eval.stride, "distance of windows; 0: as eval.preset says, else two thirds of the window",
       free},
      {"eval.take_every", &c.eval.take_every, "use every so-many-th photo in sorted order", free},
      {"eval.batch", &c.eval.batch, "windows per forward pass", free},
  };
}

}  // namespace

std::map<std::string, models::Settings> default_settings() {
  std::map<std::string, models::Settings> settings;
  for (const models::MethodEntry& entry : models::methods()) settings.emplace(entry.name, entry.settings);
  return settings;
}

std::vector<Field> fields(Config& c) {
  std::vector<Field> all = all_fields(c);
  const auto data = std::ranges::find_if(all, [](const Field& f) { return f.key.starts_with("data."); });
  const std::vector<Field> of_methods = method_fields(c);
  all.insert(data, of_methods.begin(), of_methods.end());
  const bool pretraining = c.purpose == Purpose::pretrain;
  std::erase_if(all, [&](const Field& f) {
    const bool own = f.key.starts_with("pretrain.");
    const bool shared = f.key.starts_with("data.") || f.key.starts_with("train.");
    return pretraining ? !own && (!shared || needs_labels(f.key)) : own;
  });
  return all;
}

std::vector<Field> fields(TargetConfig& t) {
  return {
      {"name", &t.name, "the set's name in tables"},
      {"dataset", &t.dataset, "description of the set (TOML), relative to this file"},
      {"root", &t.root, "folder of the set, below the data folder; empty: it is rendered"},
      {"split", &t.split, "split of the set"},
      {"resize", &t.resize,
       "native, short:320, scale:2 or fit:1024x512; half+ before it halves photos and labels first; empty: as "
       "eval.preset says, else the description"},
      {"window", &t.window, "-1: eval.window"},
      {"stride", &t.stride, "-1: eval.stride"},
      {"take_every", &t.take_every, "-1: eval.take_every"},
      {"in_mean", &t.in_mean,
       "false: scored, but no part of the mean that chooses the best checkpoint (a set like the training set)"},
  };
}

}  // namespace rein::train
