// Kinds "lora_vit", "vpt_vit" and "adaptformer_vit" (golden README, sections 19 to 22), and what "soma_vit" shares.
#include "train/verify/verify_methods.h"

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/shape/shape.h"
#include "models/adapters/adaptformer.h"
#include "models/adapters/lora.h"
#include "models/adapters/vpt.h"
#include "models/heads/feature_pyramid.h"
#include "models/zoo/peft.h"
#include "nn/bind.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"
#include "tensor/ops/elementwise/elementwise.h"
#include "tensor/ops/shape/shape_ops.h"
#include "train/verify/verify_modules.h"

namespace rein::train {

namespace zoo = models::zoo;

namespace {

std::vector<NamedOutput> maps_of(const GoldenFile& file, const models::Backbone& backbone, const Variable& image) {
  const models::BackboneOutput out = backbone.forward(image, nn::ForwardContext());
  const std::vector<Variable> maps = models::feature_pyramid(out.features, file.config().numbers("output_scales"));
  std::vector<NamedOutput> outputs;
  for (std::size_t i = 0; i < maps.size(); ++i) outputs.push_back({concat_text("feat.", i), nhwc_to_nchw(maps[i])});
  return outputs;
}

}  // namespace

zoo::Weights case_weights(const GoldenFile& file, Comparison& compare,
                          const std::function<bool(const std::string&)>& is_methods) {
  const GoldenConfig& config = file.config();
  std::map<std::string, Tensor> params = file.params();
  std::erase_if(params, [&](const auto& entry) { return is_methods(entry.first); });
  const std::string layout = config.text("layout") == "dinov2_hf_reg" ? "dinov2_hf" : config.text("layout");
  zoo::Weights weights =
      zoo::open_weights(std::make_shared<nn::MapSource>(std::move(params), file.path().filename().string()),
                        {.family = "", .heads = config.integer("num_heads"), .layout = layout});
  const models::VitOptions& o = weights.model.options;
  compare.check_that(o.dim == config.integer("embed_dim") && o.depth == config.integer("depth") &&
                         o.patch == config.integer("patch_size") && o.registers == config.integer("registers") &&
                         o.layer_scale == config.flag("layer_scale") && o.eps == config.number("ln_eps"),
                     "the ViT is not as recognised");
  return weights;
}

MethodCase method_case(const GoldenFile& file, Comparison& compare, zoo::Weights weights,
                       std::unique_ptr<models::Adapter> adapter) {
  models::BackboneOptions options;
  options.vit = weights.model.options;
  options.out_indices = to_ints(file.config().integers("out_indices"));
  MethodCase c{std::move(weights), std::make_unique<models::Backbone>(options, std::move(adapter)), {}};
  c.backbone->name_tree();
  c.backbone->freeze_vit();
  zoo::bind_weights(c.backbone->vit(), c.weights, compare.dtype());
  return c;
}

void run_method_case(const GoldenFile& file, Comparison& compare, MethodCase& c) {
  const DType dtype = compare.dtype();
  models::Backbone& backbone = *c.backbone;
  std::map<std::string, Tensor> values;
  for (const auto& [ours, theirs] : c.theirs) {
    std::vector<Tensor> parts;
    for (const std::string& name : theirs) parts.push_back(file.tensor("param." + name));
    values[ours] = parts.size() == 1 ? parts.front() : ops::concat(parts, 0);
  }
  const nn::MapSource source(std::move(values), file.path().filename().string());
  const nn::BindReport report =
      nn::bind(backbone, source, dtype, [&](const std::string& path) { return source.has(path); });
  if (!report.ok()) fail_runtime("verify", "the case's parameters do not fit:\n", report.text());
  nn::move_to(backbone, file.device());

  const Variable image = parameter(file.map("in.image", dtype));
  const std::vector<NamedOutput> outputs = maps_of(file, backbone, image);
  for (const NamedOutput& output : outputs) compare.check("out." + output.name, output.value.value());
  backward_case(file, dtype, outputs);
  compare.check_map("grad.in.image", image.grad());
  backbone.visit([&](const std::string& path, nn::Param& param) {
    const Tensor grad = param.value.grad();
    if (param.frozen) compare.check_that(!grad, path + " is frozen, but a gradient came");
    const auto theirs = c.theirs.find(path);
    if (theirs == c.theirs.end()) return;
    const auto parts = static_cast<std::int64_t>(theirs->second.size());
    for (std::int64_t i = 0; i < parts; ++i) {
      const std::string name = "grad.param." + theirs->second[static_cast<std::size_t>(i)];
      if (!file.has(name)) continue;  // config.zero_gradient: biases of keys
      const std::int64_t rows = param.shape[0] / parts;
      compare.check(name, !grad || parts == 1 ? grad : grad.rows(i * rows, (i + 1) * rows));
    }
  });
}

void check_last_maps(const GoldenFile& file, Comparison& compare, const models::Backbone& backbone,
                     const std::string& prefix) {
  const NoGrad no_grad;
  const auto outputs = maps_of(file, backbone, constant(file.map("in.image", compare.dtype())));
  for (const std::size_t i : {2, 3}) compare.check(prefix + "." + outputs[i].name, outputs[i].value.value());
}

void verify_lora_vit(const GoldenFile& file, Comparison& compare) {
  zoo::Weights weights =
      case_weights(file, compare, [](const std::string& name) { return name.find(".lora_") != name.npos; });
  const zoo::Layout& layout = *weights.model.layout;
  const GoldenConfig config = file.config().object("lora");
  const bool apart = file.config().text("qkv") == "separate";
  auto adapter =
      std::make_unique<models::Lora>(weights.model.options, models::LoraOptions{.rank = config.integer("rank"),
                                                                                .alpha = config.number("alpha"),
                                                                                .targets = apart ? "q,k,v" : "qkv"});
  models::Lora& lora = *adapter;
  MethodCase c = method_case(file, compare, std::move(weights), std::move(adapter));
  for (const auto& [ours, theirs] : zoo::peft_names(layout, lora)) c.theirs["lora." + ours] = {theirs};
  run_method_case(file, compare, c);

  models::Vit& vit = c.backbone->vit();
  compare.check_that(lora.merge_into(vit), "LoRA did not merge");
  std::map<std::string, Tensor> merged;
  vit.visit([&](const std::string& path, nn::Param& param) { merged[path] = param.value.value(); });
  for (const models::TunedMatrix& m : lora.matrices())
    compare.check("out.merged.weight." + zoo::layer_name(layout, m),
                  merged.at(m.layer + ".weight").rows(m.part * m.rows, (m.part + 1) * m.rows));
  models::BackboneOptions options = c.backbone->options();
  models::Backbone plain(options);
  plain.name_tree();
  plain.freeze_vit();
  plain.visit([&](const std::string& path, nn::Param& param) { param.value = constant(merged.at(path)); });
  check_last_maps(file, compare, plain, "out.merged");
}

void verify_vpt_vit(const GoldenFile& file, Comparison& compare) {
  zoo::Weights weights = case_weights(file, compare, [](const std::string& name) { return name == "prompts"; });
  const GoldenConfig config = file.config().object("vpt");
  auto adapter = std::make_unique<models::Vpt>(
      weights.model.options, models::VptOptions{.prompts = config.integer("num_prompts"), .deep = config.flag("deep")});
  MethodCase c = method_case(file, compare, std::move(weights), std::move(adapter));
  c.theirs["vpt.prompts"] = {"prompts"};
  run_method_case(file, compare, c);
}

namespace {

// Drops what the case recorded: in.dropout_keep.N, u8.
class RecordedDropout final : public models::AdaptFormer {
 public:
  RecordedDropout(const models::VitOptions& vit, const models::AdaptFormerOptions& options, const GoldenFile& file)
      : AdaptFormer(vit, options), file_(file) {}

 private:
  Variable dropped(int block, const Variable& h, const nn::ForwardContext&) const override {
    if (options().dropout <= 0) return h;
    const Tensor keep = ops::cast(file_.tensor(concat_text("in.dropout_keep.", block)), h.dtype());
    return mul(h, constant(ops::scale(keep, 1 / (1 - options().dropout)).to(h.value().device())));
  }
  const GoldenFile& file_;
};

}  // namespace

void verify_adaptformer_vit(const GoldenFile& file, Comparison& compare) {
  const auto is_methods = [](const std::string& name) { return name.find(".adaptmlp.") != name.npos; };
  zoo::Weights weights = case_weights(file, compare, is_methods);
  const GoldenConfig config = file.config().object("adapter");
  auto adapter = std::make_unique<RecordedDropout>(
      weights.model.options,
      models::AdaptFormerOptions{.bottleneck = config.integer("bottleneck"),
                                 .scale = config.number("scale"),
                                 .dropout = config.number("dropout"),
                                 .outside_layer_scale = config.flag("after_layer_scale")},
      file);
  MethodCase c = method_case(file, compare, std::move(weights), std::move(adapter));
  for (const std::string& name : file.names("param."))
    if (const std::string own = name.substr(6); is_methods(own)) c.theirs["adaptformer." + own] = {own};
  run_method_case(file, compare, c);
}

}  // namespace rein::train
