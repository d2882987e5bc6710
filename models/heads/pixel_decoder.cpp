#include "models/heads/pixel_decoder.h"

#include <cmath>

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/sampling/resize.h"
#include "autograd/ops/shape/shape.h"
#include "autograd/recompute.h"
#include "models/heads/feature_pyramid.h"
#include "models/heads/sine_position.h"
#include "tensor/error.h"

namespace rein::models {
namespace {

constexpr std::size_t maps = 4, memories = 3;
constexpr double layer_norm_eps = 1e-5;

const PixelDecoderOptions& checked(const PixelDecoderOptions& o) {
  require(o.in_channels.size() == maps && o.factors.size() == maps, "pixel_decoder",
          "needs the channels and factors of ", maps, " maps, got ", o.in_channels.size(), " and ", o.factors.size());
  require(o.feat_channels >= 4 && o.feat_channels % 4 == 0, "pixel_decoder",
          "feat_channels must be a multiple of 4, got ", o.feat_channels);
  return o;
}

nn::Conv2dOptions input_options(const PixelDecoderOptions& o, std::size_t map) {
  return {.in = o.in_channels[map],
          .out = o.feat_channels,
          .weight_init = nn::xavier_uniform(o.in_channels[map], o.feat_channels)};
}

// uniform +-sqrt(3 / fan_in): the start of the convolutions around the mask features.
nn::Init caffe2_xavier(std::int64_t fan_in) {
  return nn::Init::uniform(std::sqrt(3.0 / static_cast<double>(fan_in)));
}

nn::Conv2dOptions lateral_options(const PixelDecoderOptions& o) {
  return {
      .in = o.in_channels[0], .out = o.feat_channels, .bias = false, .weight_init = caffe2_xavier(o.in_channels[0])};
}

nn::Conv2dOptions output_options(const PixelDecoderOptions& o) {
  return {.in = o.feat_channels,
          .out = o.feat_channels,
          .kernel = 3,
          .padding = 1,
          .bias = false,
          .weight_init = caffe2_xavier(9 * o.feat_channels)};
}

// (N, S, levels, 2): the centre of the token's own pixel, the same for all levels.
Tensor reference_points(std::int64_t n, const std::vector<ops::LevelShape>& levels, DType dtype) {
  const auto count = static_cast<std::int64_t>(levels.size());
  Tensor points = Tensor::empty({n, ops::tokens_of(levels), count, 2}, dtype);
  dispatch_real("pixel_decoder", dtype, [&]<class T>() {
    T* to = points.mutable_data<T>();
    for (std::int64_t image = 0; image < n; ++image)
      for (const auto& [height, width] : levels)
        for (std::int64_t r = 0; r < height; ++r)
          for (std::int64_t c = 0; c < width; ++c)
            for (std::int64_t l = 0; l < count; ++l) {
              *to++ = static_cast<T>((static_cast<double>(c) + 0.5) / static_cast<double>(width));
              *to++ = static_cast<T>((static_cast<double>(r) + 0.5) / static_cast<double>(height));
            }
  });
  return points;
}

// (N, h, w, C) -> (N, h*w, C): the same bytes.
Variable tokens_of_map(const Variable& map) {
  return view(map, {map.size(0), map.size(1) * map.size(2), map.size(3)});
}

}  // namespace

Ffn::Ffn(std::int64_t dim, std::int64_t hidden)
    : in_(dim, hidden, true, nn::xavier_normal(dim, hidden), nn::pytorch_default(dim)),
      out_(hidden, dim, true, nn::xavier_normal(hidden, dim), nn::pytorch_default(hidden)) {
  child("layers.0.0", in_);
  child("layers.1", out_);
}

Variable Ffn::operator()(const Variable& x) const {
  return add(x, out_(relu(in_(x))));
}

PixelDecoder::Layer::Layer(const PixelDecoderOptions& o)
    : self_attn_({.dim = o.feat_channels, .heads = o.heads, .levels = memories, .points = o.points}),
      ffn_(o.feat_channels, o.ffn_channels),
      norm0_(o.feat_channels, layer_norm_eps),
      norm1_(o.feat_channels, layer_norm_eps) {
  child("self_attn", self_attn_);
  child("ffn", ffn_);
  child("norms.0", norm0_);
  child("norms.1", norm1_);
}

Variable PixelDecoder::Layer::operator()(const Variable& x, const Variable& position, const Variable& reference,
                                         const std::vector<ops::LevelShape>& levels) const {
  const Variable y = norm0_(
      self_attn_({.query = x, .query_pos = position, .value = x, .reference_points = reference, .levels = levels}));
  return norm1_(ffn_(y));
}

PixelDecoder::PixelDecoder(const PixelDecoderOptions& options)
    : options_(checked(options)),
      lateral_conv_(lateral_options(options), options.gn_groups),
      output_conv_(output_options(options), options.gn_groups),
      mask_feature_({.in = options.feat_channels,
                     .out = options.out_channels,
                     .weight_init = caffe2_xavier(options.feat_channels)}) {
  for (std::size_t i = 0; i < memories; ++i)
    child(concat_text("input_convs.", i),
          input_convs_.emplace_back(input_options(options, maps - 1 - i), options.gn_groups));
  for (std::int64_t j = 0; j < options.layers; ++j)
    child(concat_text("encoder.layers.", j), layers_.emplace_back(options));
  level_encoding_ = &declare("level_encoding.weight", {memories, options.feat_channels}, nn::Init::normal(1));
  child("lateral_convs.0", lateral_conv_);
  child("output_convs.0", output_conv_);
  child("mask_feature", mask_feature_);
}

Tensor PixelDecoder::kept_reference(std::int64_t n, const std::vector<ops::LevelShape>& levels, DType dtype,
                                    Device device) const {
  const Tensor& kept = reference_.points;
  if (!kept || kept.size(0) != n || reference_.levels != levels || kept.dtype() != dtype || kept.device() != device)
    reference_ = {levels, reference_points(n, levels, dtype).to(device)};
  return reference_.points;
}

PixelDecoderOut PixelDecoder::operator()(const std::vector<Variable>& features, bool recompute) const {
  require(features.size() == maps, "pixel_decoder", "needs ", maps, " maps, got ", features.size());
  const std::int64_t n = features[0].size(0), channels = options_.feat_channels;
  const DType dtype = features[0].dtype();
  const Device device = features[0].value().device();

  // Coarse to fine, each with its position: sine plus the level's own vector.
  std::vector<Variable> parts, places;
  std::vector<ops::LevelShape> levels;
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 0; i < memories; ++i) {
    const std::size_t map = maps - 1 - i;
    const ConvGn& input = input_convs_[i];
    const Variable x = input.norm(resize_and_project(features[map], options_.factors[map], input.conv()));
    const std::int64_t h = x.size(1), w = x.size(2), level = static_cast<std::int64_t>(i);
    parts.push_back(tokens_of_map(x));
    levels.push_back({h, w});
    sizes.push_back(h * w);
    const Variable encoding = view(slice(level_encoding_->value, 0, level, level + 1), {channels});
    places.push_back(add_broadcast(constant(sine_position(h, w, channels, dtype, device)), encoding));
  }
  Variable x = concat(parts, 1);
  const Variable place = concat(places, 0);
  const Variable position = expand(view(place, {1, place.size(0), channels}), n);
  const Variable reference = constant(kept_reference(n, levels, dtype, device));
  for (const Layer& layer : layers_) {
    const auto body = [&layer, reference, levels](std::span<const Variable> v) {
      return std::vector{layer(v[0], v[1], reference, levels)};
    };
    const std::vector<Variable> inputs{x, position};
    x = recompute ? rein::recompute(body, inputs)[0] : body(inputs)[0];
  }

  PixelDecoderOut out;
  const std::vector<Variable> tokens = split(x, 1, sizes);
  for (std::size_t i = 0; i < memories; ++i)
    out.memories.push_back(view(tokens[i], {n, levels[i].height, levels[i].width, channels}));
  const Variable lateral =
      lateral_conv_.norm(resize_and_project(features[0], options_.factors[0], lateral_conv_.conv()));
  const Variable& finest = out.memories.back();
  const bool same = finest.size(1) == lateral.size(1) && finest.size(2) == lateral.size(2);
  const Variable enlarged = same ? finest : resize(finest, ops::to_size(lateral.size(1), lateral.size(2)));
  out.mask_features = mask_feature_(relu(output_conv_(add(lateral, enlarged))));
  return out;
}

}  // namespace rein::models
