// Kinds "semantic_fpn_head" (golden README, section 8) and "large_semantic_fpn_head" (section 18).
#include "autograd/ops/sampling/resize.h"
#include "autograd/ops/shape/shape.h"
#include "models/heads/semantic_fpn.h"
#include "tensor/error.h"
#include "train/verify/golden_generate.h"
#include "train/verify/verify_modules.h"

namespace rein::train {
namespace {

models::SemanticFpnOptions options_of(const GoldenConfig& config, std::vector<double> factors) {
  models::SemanticFpnOptions o;
  const auto in = config.integers("in_channels");
  o.level_channels.assign(in.begin(), in.end());
  o.factors = std::move(factors);
  o.fpn_channels = config.integer("fpn_channels");
  o.neck_norm = config.flag("neck_norm");
  o.neck_bias = config.flag("neck_conv_bias");
  o.neck_groups = o.head_groups = config.integer("gn_groups");
  o.head_channels = config.integer("head_channels");
  o.classes = config.integer("num_classes");
  o.dropout = config.number_or("dropout_ratio", 0);
  return o;
}

// `inputs` are "feat" (a ready pyramid, factors 1) or "map" (backbone maps).
void run(const GoldenFile& file, Comparison& compare, const std::string& inputs, std::vector<double> factors) {
  const DType dtype = compare.dtype();
  models::SemanticFpn head(options_of(file.config(), std::move(factors)));
  head.name_tree();
  bind_case(head, file, dtype);

  models::HeadInput input;
  for (int i = 0; i < 4; ++i)
    input.features.push_back(parameter(file.map("in." + inputs + "." + std::to_string(i), dtype)));
  const nn::ForwardContext context{.training = true, .key = RandomKey(), .first_sample = 0};
  const std::vector<Variable> neck = head.neck()(input.features);
  const Variable logits = head.decode_head()(neck, context);
  const models::SegmentationLoss loss = models::segmentation_loss(logits, labels_of(file), {});

  std::vector<NamedOutput> outputs;
  for (std::size_t i = 0; i < neck.size(); ++i) outputs.push_back({"neck." + std::to_string(i), nhwc_to_nchw(neck[i])});
  outputs.push_back({"logits", nhwc_to_nchw(logits)});
  outputs.push_back({"loss_ce", loss.loss});
  for (const NamedOutput& output : outputs) compare.check("out." + output.name, output.value.value());
  if (inputs == "feat") {
    const NoGrad no_grad;
    const models::Losses same = head.loss(input, labels_of(file), {}, context);
    compare.check_that(same.total.value().item() == loss.loss.value().item(),
                       "the head's loss differs from that of its parts");
  }

  backward_case(file, dtype, outputs);
  for (std::size_t i = 0; i < 4; ++i)
    compare.check_map("grad.in." + inputs + "." + std::to_string(i), input.features[i].grad());
  check_gradients(compare, head);
}

}  // namespace

void verify_semantic_fpn_head(const GoldenFile& file, Comparison& compare) {
  run(file, compare, "feat", {1, 1, 1, 1});
}

void verify_large_semantic_fpn_head(const GoldenFile& file, Comparison& compare) {
  run(file, compare, "map", file.config().numbers("map_factors"));
}

}  // namespace rein::train
