// Kinds "rein_vit" (golden README, section 9): a frozen DINOv2-style ViT with Rein, image to four maps; and
// "large_vit_block" (section 18): one block at real sizes.
#include "autograd/ops/shape/shape.h"
#include "models/heads/feature_pyramid.h"
#include "models/vit/backbone.h"
#include "train/verify/verify_modules.h"

namespace rein::train {

void verify_rein_vit(const GoldenFile& file, Comparison& compare) {
  const GoldenConfig& config = file.config();
  const DType dtype = compare.dtype();
  models::BackboneOptions options;
  options.vit = vit_options(config);
  options.out_indices = to_ints(config.integers("out_indices"));
  models::Backbone backbone(options, models::rein_for(options.vit, rein_options(config.object("rein"))));
  backbone.name_tree();
  backbone.freeze_vit();
  bind_case(backbone, file, dtype);

  const Variable image = parameter(file.map("in.image", dtype));
  const models::BackboneOutput out = backbone.forward(image, nn::ForwardContext());
  const std::vector<Variable> maps = models::feature_pyramid(out.features, config.numbers("output_scales"));
  std::vector<NamedOutput> outputs;
  for (std::size_t i = 0; i < maps.size(); ++i) outputs.push_back({"feat." + std::to_string(i), nhwc_to_nchw(maps[i])});
  if (out.queries) outputs.push_back({"queries", out.queries});
  for (const NamedOutput& output : outputs) compare.check("out." + output.name, output.value.value());

  backward_case(file, dtype, outputs);
  compare.check_map("grad.in.image", image.grad());
  check_gradients(compare, *backbone.adapter(), "reins.");
  backbone.vit().visit([&](const std::string& path, nn::Param& param) {
    compare.check_that(!param.value.grad(), path + " is frozen, but a gradient came");
  });
}

void verify_large_vit_block(const GoldenFile& file, Comparison& compare) {
  const GoldenConfig& config = file.config();
  nn::BlockOptions options;
  options.dim = config.integer("embed_dim");
  options.heads = config.integer("num_heads");
  options.mlp_hidden = mlp_hidden(config, options.dim);
  options.layer_scale = config.flag("layer_scale");
  options.eps = config.number("ln_eps");
  nn::Block block(options);
  block.name_tree();
  bind_case(block, file, compare.dtype());

  const Variable x = parameter(file.tensor("in.x", compare.dtype()));
  const Variable y = block(x, nn::ForwardContext());
  compare.check("out.y", y.value());
  backward_case(file, compare.dtype(), {{"y", y}});
  compare.check("grad.in.x", x.grad());
  check_gradients(compare, block);
}

}  // namespace rein::train
