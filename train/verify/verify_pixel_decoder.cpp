// Kinds "pixel_decoder" (golden README, section 5) and "large_pixel_decoder" (section 18).
#include "autograd/ops/shape/shape.h"
#include "models/heads/pixel_decoder.h"
#include "tensor/error.h"
#include "train/verify/verify_modules.h"

namespace rein::train {

void verify_pixel_decoder(const GoldenFile& file, Comparison& compare) {
  const DType dtype = compare.dtype();
  const GoldenConfig& config = file.config();
  if (config.integer("num_levels") != 3 || config.integer("num_outs") != 3)
    throw NotBuilt("pixel decoder of other than 3 levels");
  models::PixelDecoderOptions o;
  o.in_channels = config.integers("in_channels");
  o.factors = {1, 1, 1, 1};
  o.feat_channels = config.integer("feat_channels");
  o.out_channels = config.integer("out_channels");
  o.heads = config.integer("num_heads");
  o.points = config.integer("num_points");
  o.layers = config.integer("num_layers");
  o.ffn_channels = config.integer("ffn_channels");
  o.gn_groups = config.integer("gn_groups");
  // Layers are made before anything is bound: a number from outside must not decide how many without a bound.
  if (o.layers < 1 || o.layers > 1000) fail_runtime("verify", "config.num_layers must be 1 to 1000, got ", o.layers);
  models::PixelDecoder decoder(o);
  decoder.name_tree();
  bind_case(decoder, file, dtype);

  std::vector<Variable> features;
  for (std::size_t i = 0; i < o.in_channels.size(); ++i)
    features.push_back(parameter(file.map("in.feat." + std::to_string(i), dtype)));
  const models::PixelDecoderOut out = decoder(features);
  std::vector<NamedOutput> outputs{{"mask_features", nhwc_to_nchw(out.mask_features)}};
  for (std::size_t i = 0; i < out.memories.size(); ++i)
    outputs.push_back({"memory." + std::to_string(i), nhwc_to_nchw(out.memories[i])});
  for (const NamedOutput& output : outputs) compare.check("out." + output.name, output.value.value());
  backward_case(file, dtype, outputs);
  for (std::size_t i = 0; i < features.size(); ++i)
    compare.check_map("grad.in.feat." + std::to_string(i), features[i].grad());
  check_gradients(compare, decoder);
}

}  // namespace rein::train
