// Small models for tests: every option on that costs nothing, sizes that differ from each other, H != W.
#pragma once

#include <memory>
#include <string>

#include "models/adapters/rein_adapter.h"
#include "models/segmentor.h"
#include "nn/bind.h"

namespace rein::testing {

inline models::VitOptions tiny_vit() {
  models::VitOptions vit;
  vit.patch = 4;
  vit.grid_height = vit.grid_width = 3;
  vit.dim = 12;
  vit.depth = 4;
  vit.heads = 3;
  vit.mlp_hidden = 20;
  vit.layer_scale = true;
  vit.layer_scale_init = 0.5;
  vit.position_resize = models::PositionResize::bicubic_offset;
  vit.mask_token = true;
  return vit;
}

inline models::ReinOptions tiny_rein() {
  models::ReinOptions rein;
  rein.token_length = 5;
  rein.rank = 2;
  rein.query_dims = 6;
  rein.scale_init = 0.7;
  return rein;
}

inline models::Mask2FormerOptions tiny_mask2former() {
  models::Mask2FormerOptions head;
  head.feat_channels = 8;
  head.out_channels = 7;
  head.classes = 5;
  head.queries = 6;
  head.pixel_layers = 1;
  head.pixel_heads = 2;
  head.pixel_points = 2;
  head.pixel_ffn = 10;
  head.gn_groups = 2;
  head.decoder_layers = 4;
  head.decoder_heads = 2;
  head.decoder_ffn = 12;
  head.loss.points = 24;
  return head;
}

// Of a method's name; `link`: Rein makes queries.
inline models::Method tiny_method(const std::string& name, bool link = false) {
  models::ReinOptions rein = tiny_rein();
  rein.link_token_to_query = link;
  return name == "rein" ? models::rein_method(rein) : models::method_named(name);
}

inline models::SegmentorOptions tiny_segmentor(const std::string& method) {
  models::SegmentorOptions options;
  options.vit = tiny_vit();
  options.out_indices = {0, 1, 2, 3};
  options.method = tiny_method(method);
  options.head.fpn_channels = 8;
  options.head.neck_norm = true;
  options.head.neck_bias = false;
  options.head.neck_groups = 2;
  options.head.head_channels = 8;
  options.head.head_groups = 2;
  options.head.classes = 5;
  options.head.dropout = 0;
  return options;
}

// Rein's queries are the head's.
inline models::SegmentorOptions tiny_mask2former_segmentor(const std::string& method) {
  models::SegmentorOptions options = tiny_segmentor(method);
  options.method = tiny_method(method, true);
  options.head_kind = models::HeadKind::mask2former;
  options.mask2former = tiny_mask2former();
  return options;
}

// Values of order one everywhere: the official starts (gamma 1e-5, scale 0.001, biases 0) would hide mistakes.
inline void fill_random(nn::Module& root, std::uint64_t seed, DType dtype) {
  root.visit([&](const std::string& path, nn::Param& p) {
    const RandomKey key = RandomKey(seed).child(path);
    nn::set_value(p, p.norm ? random_uniform(key, p.file_shape(), 0.5, 1.5, dtype)
                            : random_normal(key, p.file_shape(), 0, 0.4, dtype));
  });
}

inline Tensor random_labels(const Shape& shape, std::int64_t classes, std::uint64_t seed) {
  Tensor labels = Tensor::empty(shape, DType::i64);
  for (std::int64_t i = 0; i < labels.count(); ++i) {
    const auto draw = RandomKey(seed).below(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(classes + 1));
    labels.mutable_data<std::int64_t>()[i] =
        draw == static_cast<std::uint64_t>(classes) ? 255 : static_cast<std::int64_t>(draw);
  }
  return labels;
}

}  // namespace rein::testing
