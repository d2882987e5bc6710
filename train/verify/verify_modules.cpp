#include "train/verify/verify_modules.h"

#include "autograd/ops/shape/shape.h"
#include "nn/bind.h"
#include "tensor/error.h"
#include "train/verify/golden_generate.h"
#include "train/verify/verify_mask2former.h"

namespace rein::train {

void bind_case(nn::Module& root, const GoldenFile& file, DType dtype, const std::string& prefix) {
  const nn::MapSource source(file.params(prefix), file.path().filename().string());
  const nn::BindReport report = nn::bind(root, source, dtype);
  if (!report.ok()) fail_runtime("verify", "the case's parameters do not fit:\n", report.text());
  nn::move_to(root, file.device());
}

void check_gradients(Comparison& compare, nn::Module& root, const std::string& prefix) {
  root.visit([&](const std::string& path, nn::Param& param) {
    if (param.frozen) return;
    const Tensor grad = param.value.grad();
    compare.check("grad.param." + prefix + path, grad ? nn::to_file_layout(param, grad) : Tensor{});
  });
}

void backward_case(const GoldenFile& file, DType dtype, const std::vector<NamedOutput>& outputs) {
  std::vector<Variable> roots;
  std::vector<Tensor> cotangents;
  for (const NamedOutput& output : outputs) {
    if (!file.has("cot." + output.name)) continue;
    roots.push_back(output.value);
    cotangents.push_back(file.tensor("cot." + output.name, dtype));
  }
  if (file.names("cot.").size() != roots.size())
    fail_runtime("verify", "the file has ", file.names("cot.").size(),
                 " cotangents, outputs for them here: ", roots.size());
  backward(roots, cotangents);
}

Tensor labels_of(const GoldenFile& file) {
  if (file.has("in.labels")) return file.tensor("in.labels").to(file.device());
  const GoldenConfig& config = file.config();
  const GoldenConfig rule = config.object("label_rule");
  const auto size = config.integers("label_size");
  if (size.size() != 2) fail_runtime("verify", "config.label_size must be [h, w]");
  return generated_labels({rule.integer("block"), rule.integer("count"), rule.integer("shift_per_image"),
                           rule.number("ignore_below")},
                          file.generator_seed(), config.integer("batch"), size[0], size[1])
      .to(file.device());
}

models::ReinOptions rein_options(const GoldenConfig& config) {
  models::ReinOptions o;
  const std::string kind = config.text("kind_class");
  if (kind != "Reins" && kind != "LoRAReins") throw NotBuilt("rein class " + kind);
  o.layers = config.integer_or("num_layers", 0);
  o.dim = config.integer_or("embed_dims", 0);
  o.token_length = config.integer("token_length");
  o.rank = kind == "Reins" ? 0 : config.integer("lora_dim");
  o.query_dims = config.integer("query_dims");
  o.link_token_to_query = config.flag("link_token_to_query");
  o.use_softmax = config.flag("use_softmax");
  o.zero_mlp_delta_f = config.flag_or("zero_mlp_delta_f", false);
  o.scale_is_parameter = config.flag_or("scale_is_parameter", true);
  return o;
}

models::VitOptions vit_options(const GoldenConfig& config) {
  models::VitOptions o;
  o.patch = config.integer("patch_size");
  const auto grid = config.integers("pos_embed_grid");
  if (grid.size() != 2) fail_runtime("verify", "config.pos_embed_grid must be [rows, cols]");
  o.grid_height = grid[0];
  o.grid_width = grid[1];
  o.dim = config.integer("embed_dim");
  o.depth = config.integer("depth");
  // Blocks are made before anything is bound: a number from outside must not decide how many without a bound.
  if (o.depth < 1 || o.depth > 1000) fail_runtime("verify", "config.depth must be 1 to 1000, got ", o.depth);
  o.heads = config.integer("num_heads");
  o.mlp_hidden = mlp_hidden(config, o.dim);
  o.qkv_bias = config.flag_or("qkv_bias", true) ? nn::QkvBias::qkv : nn::QkvBias::none;
  o.layer_scale = config.flag_or("layer_scale", true);
  o.eps = config.number("ln_eps");
  o.position_resize = models::PositionResize::bicubic_offset;
  o.mask_token = true;
  return o;
}

models::SegmentorOptions segmentor_options(const GoldenConfig& config) {
  const GoldenConfig head = config.object("head"), backbone = config.object("backbone");
  const bool fpn = head.text("head") == "FPNHead";
  models::SegmentorOptions o;
  o.vit = vit_options(backbone);
  o.out_indices = to_ints(backbone.integers("out_indices"));
  const models::ReinOptions rein = rein_options(config.object("rein"));
  o.method = models::rein_method(rein);
  if (!fpn) {
    o.head_kind = models::HeadKind::mask2former;
    o.mask2former = mask2former_options(head);
    o.mask2former.factors = backbone.numbers("output_scales");
    if (o.mask2former.rein_queries != rein.link_token_to_query) throw NotBuilt("Rein with queries for nobody");
    return o;
  }
  const GoldenConfig neck = config.object("neck");
  o.head.factors = backbone.numbers("output_scales");
  o.head.fpn_channels = neck.integer("out_channels");
  o.head.neck_norm = neck.has("gn_groups");
  o.head.neck_bias = neck.flag_or("conv_bias", false);
  o.head.neck_groups = neck.integer_or("gn_groups", 0);
  o.head.head_channels = head.integer("channels");
  o.head.head_groups = head.integer("gn_groups");
  o.head.classes = head.integer("num_classes");
  o.head.dropout = head.number("dropout_ratio");
  return o;
}

std::int64_t mlp_hidden(const GoldenConfig& config, std::int64_t dim) {
  const double hidden = config.number("mlp_ratio") * static_cast<double>(dim);
  if (!(hidden >= 1 && hidden <= 1e9)) fail_runtime("verify", "config.mlp_ratio gives ", hidden, " hidden units");
  return static_cast<std::int64_t>(hidden);  // timm and DINOv2 cut as well
}

std::vector<int> to_ints(const std::vector<std::int64_t>& values) {
  return {values.begin(), values.end()};
}

}  // namespace rein::train
