// Kinds "mask2former_head" (golden README, section 6) and "large_mask2former_head" (section 18).
#include "autograd/ops/shape/shape.h"
#include "tensor/error.h"
#include "train/verify/verify_mask2former.h"
#include "train/verify/verify_modules.h"

namespace rein::train {

models::Mask2FormerOptions mask2former_options(const GoldenConfig& config) {
  const std::string head = config.text("head");
  if (head != "Mask2FormerHead" && head != "ReinMask2FormerHead") throw NotBuilt(head);
  const std::int64_t levels = config.integer_or("pixel_levels", 3);
  if (levels != 3) throw NotBuilt(concat_text("mask2former with ", levels, " levels"));
  models::Mask2FormerOptions o;
  const auto in = config.integers("in_channels");
  o.level_channels.assign(in.begin(), in.end());
  o.feat_channels = config.integer("feat_channels");
  o.out_channels = config.integer("out_channels");
  o.classes = config.integer("num_classes");
  o.queries = config.integer("num_queries");
  o.rein_queries = head == "ReinMask2FormerHead";
  o.replace_query_feat = o.rein_queries && config.flag("replace_query_feat");
  o.pixel_layers = config.integer("pixel_layers");
  // Layers are made before anything is bound: a number from outside must not decide how many without a bound.
  if (o.pixel_layers < 0 || o.pixel_layers > 1000)
    fail_runtime("verify", "config.pixel_layers must be 0 to 1000, got ", o.pixel_layers);
  o.pixel_heads = config.integer("pixel_heads");
  o.pixel_points = config.integer("pixel_points");
  o.pixel_ffn = config.integer("pixel_ffn");
  o.gn_groups = config.integer("gn_groups");
  o.decoder_layers = config.integer("decoder_layers");
  o.decoder_heads = config.integer("decoder_heads");
  o.decoder_ffn = config.integer("decoder_ffn");
  o.loss.points = config.integer_or("num_points", o.loss.points);
  o.loss.oversample = config.number_or("oversample_ratio", o.loss.oversample);
  o.loss.importance = config.number_or("importance_sample_ratio", o.loss.importance);
  o.loss.no_object_weight = config.number_or("no_object_weight", o.loss.no_object_weight);
  if (config.has("loss_weights")) {
    const GoldenConfig weights = config.object("loss_weights");
    o.loss.loss_cls = weights.number("cls");
    o.loss.loss_mask = weights.number("mask");
    o.loss.loss_dice = weights.number("dice");
  }
  return o;
}

Tensor unpack_mask(const Tensor& bits, const Shape& shape, const std::string& name) {
  const std::int64_t keys = shape[-1], bytes = (keys + 7) / 8, rows = shape.count() / keys;
  if (bits.dtype() != DType::u8 || bits.count() != rows * bytes || bits.size(-1) != bytes)
    fail_runtime("verify", name, " must hold the bits of a mask ", shape, ", got ", bits.shape());
  Tensor mask = Tensor::empty(shape, DType::u8);
  const std::uint8_t* in = bits.data<std::uint8_t>();
  std::uint8_t* out = mask.mutable_data<std::uint8_t>();
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t j = 0; j < keys; ++j)
      out[r * keys + j] = static_cast<std::uint8_t>(in[r * bytes + j / 8] >> (j % 8) & 1);
  return mask;
}

void verify_mask2former_head(const GoldenFile& file, Comparison& compare) {
  const GoldenConfig& config = file.config();
  const DType dtype = compare.dtype();
  models::Mask2FormerOptions options = mask2former_options(config);
  options.factors = {1, 1, 1, 1};
  models::Mask2FormerNet net(options);
  net.name_tree();
  bind_case(net, file, dtype);

  models::HeadInput input;
  for (int i = 0; i < 4; ++i) input.features.push_back(parameter(file.map(concat_text("in.feat.", i), dtype)));
  if (options.rein_queries) input.queries = parameter(file.tensor("in.queries", dtype));
  const auto hook = [&](std::int64_t layer, const Tensor& ours) {
    const std::string stored = concat_text("out.attn_mask.", layer), bits = concat_text("rec.attn_mask.", layer);
    if (file.has(stored)) compare.check(stored, ours);
    if (!file.has(bits)) return ours;
    const Tensor recorded = unpack_mask(file.tensor(bits), ours.shape(), bits);
    if (dtype == DType::f32) return recorded.to(ours.device());
    compare.check_that(ours.to_doubles() == recorded.to_doubles(), bits + " came out otherwise");
    return ours;
  };
  const models::Mask2FormerOutput out = net(input, true, hook);
  std::vector<std::int64_t> opened;
  for (const Tensor& rows : out.opened) opened.push_back(static_cast<std::int64_t>(rows.item()));
  compare.check_that(opened == config.integers("fully_blocked_queries_per_decoder_layer"),
                     "config.fully_blocked_queries_per_decoder_layer came out otherwise");

  std::vector<NamedOutput> outputs;
  for (std::size_t l = 0; l < out.cls.size(); ++l) {
    outputs.push_back({concat_text("cls.", l), out.cls[l]});
    outputs.push_back({concat_text("mask.", l), out.mask_logits(l)});
  }
  for (const NamedOutput& output : outputs) compare.check("out." + output.name, output.value.value());
  backward_case(file, dtype, outputs);
  for (std::size_t i = 0; i < 4; ++i) compare.check_map(concat_text("grad.in.feat.", i), input.features[i].grad());
  if (input.queries) compare.check("grad.in.queries", input.queries.grad());
  check_gradients(compare, net);
}

}  // namespace rein::train
