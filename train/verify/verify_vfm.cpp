// Kind "vfm" (golden VFM.md): published checkpoints' names and rules, through the zoo and the ViT. Files with real
// weights name them relative to the parent of the cases' folder.
#include <algorithm>
#include <cstdlib>
#include <set>

#include "autograd/ops/shape/shape.h"
#include "models/vit/vit.h"
#include "models/zoo/zoo.h"
#include "nn/bind.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"
#include "train/verify/verify_modules.h"

namespace rein::train {
namespace {

namespace zoo = models::zoo;

models::PositionResize position_rule(const GoldenConfig& config) {
  if (config.text("mode") == "bilinear") return models::PositionResize::bilinear;
  if (config.flag_or("antialias", false)) return models::PositionResize::bicubic_antialias;
  return config.has("offset") ? models::PositionResize::bicubic_offset : models::PositionResize::bicubic;
}

zoo::Weights weights_of(const GoldenFile& file) {
  const GoldenConfig& config = file.config();
  zoo::Hints hints{config.text("family"), config.integer("heads")};
  // Layouts with the same names, which differ in the size or the values of the real models' position tables.
  if (hints.family == "clip" || hints.family == "mae") hints.layout = config.text("layout");
  if (!config.has("weights"))
    return zoo::open_weights(std::make_shared<nn::MapSource>(file.params(), file.path().filename().string()), hints);
  // The first parent of the case's folder, or of REIN_GOLDEN_DIR, that has the file.
  const std::filesystem::path relative = config.text("weights");
  if (relative.is_absolute() || relative.string().find("..") != std::string::npos)
    fail_runtime("verify", "config.weights must be a path inside the shared folder, got ", relative.string());
  std::vector<std::filesystem::path> starts = {std::filesystem::absolute(file.path()).parent_path()};
  if (const char* golden = std::getenv("REIN_GOLDEN_DIR")) starts.push_back(std::filesystem::absolute(golden));
  for (std::filesystem::path folder : starts)
    for (int up = 0; up < 4 && folder.has_parent_path(); ++up, folder = folder.parent_path())
      if (std::filesystem::exists(folder / relative)) return zoo::open_weights(folder / relative, hints);
  throw NotBuilt("real weights " + relative.string() + " (no such file beside the cases)");
}

// What the zoo read from names and shapes is what the case says.
void check_options(const GoldenConfig& config, const zoo::Recognised& model, Comparison& compare) {
  const models::VitOptions& o = model.options;
  compare.check_that(o.dim == config.integer("embed_dim"), "embed_dim is not as recognised");
  compare.check_that(o.depth == config.integer("depth"), "depth is not as recognised");
  compare.check_that(o.hidden() == config.integer("mlp_hidden"), "mlp_hidden is not as recognised");
  compare.check_that(o.patch == config.integer("patch"), "patch is not as recognised");
  compare.check_that(o.eps == config.number("eps"), "eps is not as recognised");
  compare.check_that(o.registers == config.integer("registers"), "registers are not as recognised");
  compare.check_that(o.layer_scale == config.flag("layer_scale"), "layer_scale is not as recognised");
  compare.check_that(o.class_token == config.flag("class_token"), "class_token is not as recognised");
  compare.check_that((o.mlp == nn::MlpKind::swiglu) == config.text("act").starts_with("swiglu"),
                     "act is not as recognised");
  compare.check_that((o.mlp == nn::MlpKind::quick_gelu) == (config.text("act") == "quick_gelu"),
                     "act is not as recognised");
  compare.check_that(o.stem.patch_bias == config.flag_or("patch_bias", true), "patch_bias is not as recognised");
  compare.check_that(o.stem.pre_norm == config.flag_or("pre_norm", false), "pre_norm is not as recognised");
  compare.check_that(o.stem.class_token_times == config.integer_or("class_embedding_times", 1),
                     "class_embedding_times is not as recognised");
  compare.check_that(o.windows.has_value() == config.has("window_size"), "window_size is not as recognised");
  if (o.windows) {
    compare.check_that(o.windows->side == config.integer("window_size"), "window_size is not as recognised");
    compare.check_that(o.windows->global_blocks == config.integers("global_attn_indexes"),
                       "global_attn_indexes are not as recognised");
  }
  const auto grid = config.integers("grid_native");
  compare.check_that(!o.position_table || (grid.size() == 2 && o.grid_height == grid[0] && o.grid_width == grid[1]),
                     "grid_native is not as recognised");
  compare.check_that((o.rope.kind != models::RopeKind::none) == config.has("rope"), "rope is not as recognised");
  if (config.has("rope")) {
    const GoldenConfig rope = config.object("rope");
    compare.check_that(o.rope.theta == rope.number("theta"), "rope.theta is not as recognised");
    compare.check_that((o.rope.kind == models::RopeKind::eva02) == (rope.text("layout") == "interleaved"),
                       "rope.layout is not as recognised");
  }
  const auto mean = config.numbers("mean"), std = config.numbers("std");
  compare.check_that(std::equal(mean.begin(), mean.end(), model.mean.begin(), model.mean.end()),
                     "mean is not as recognised");
  compare.check_that(std::equal(std.begin(), std.end(), model.std.begin(), model.std.end()),
                     "std is not as recognised");
}

// "grad.param.<their name>": our gradient, or its row range in a packed tensor.
void check_their_gradients(const GoldenFile& file, const zoo::Layout& layout, models::Vit& vit, Comparison& compare) {
  std::map<std::string, Tensor> ours;
  vit.visit([&](const std::string& path, nn::Param& param) {
    if (const Tensor grad = param.value.grad()) ours[path] = nn::to_file_layout(param, grad);
  });
  for (const std::string& name : file.names("grad.param.")) {
    const auto place = zoo::place_of(layout, name.substr(std::string("grad.param.").size()));
    const Tensor all = place && ours.contains(place->name) ? ours[place->name] : Tensor{};
    if (!all) {
      compare.check(name, {});
      continue;
    }
    if (place->parts == 1) {
      compare.check(name, all.view(zoo::to_their_shape(place->form, all.shape())));
      continue;
    }
    const std::int64_t rows = all.size(0) / place->parts;
    compare.check(name, all.rows(place->part * rows, (place->part + 1) * rows));
  }
}

// The layout of the files that the official Rein converts.
const zoo::Layout& converted_layout(const std::string& family) {
  static const std::map<std::string, std::string> names = {
      {"clip", "clip_rein"}, {"dinov2", "dinov2_orig"}, {"eva02", "eva02_rein"}};
  for (const zoo::Layout& layout : zoo::layouts())
    if (names.contains(family) && layout.name == names.at(family)) return layout;
  throw NotBuilt("vfm " + family + " conversion");
}

void verify_conversion(const GoldenFile& file, Comparison& compare) {
  const GoldenConfig& config = file.config();
  const zoo::Layout& layout = converted_layout(config.text("family"));
  const auto grid = config.integers("grid");
  if (grid.size() != 2 || grid[0] != grid[1]) fail_runtime("verify", "config.grid must be square");
  std::map<std::string, Tensor> tensors;
  for (const std::string& name : file.names("in.")) tensors[name.substr(3)] = file.tensor(name);
  const auto source = std::make_shared<nn::MapSource>(tensors, file.path().filename().string());
  const zoo::ConvertedSource converted(
      std::make_shared<zoo::MappedSource>(source, layout),
      {.patch = config.integer("to_patch"), .grid = grid[0], .positions = layout.convert_positions});
  const bool bilinear = layout.convert_positions == ops::Interpolation::bilinear;
  compare.check_that(config.object("resize").text("pos") == (bilinear ? "bilinear" : "bicubic"),
                     "resize.pos is not the layout's");
  for (const auto& [name, tensor] : tensors) {
    const auto place = zoo::place_of(layout, name);
    if (!place) fail_runtime("verify", "no ", layout.name, " file has ", name);
    const Tensor value = converted.read(place->name, compare.dtype());
    compare.check("out." + name, value.view(zoo::to_their_shape(place->form, value.shape())));
    compare.check_that(value.shape() == converted.shape(place->name), name + " is not of the shape that was announced");
  }
}

}  // namespace

void verify_vfm(const GoldenFile& file, Comparison& compare) {
  const GoldenConfig& config = file.config();
  const DType dtype = compare.dtype();
  if (config.text_or("op", "") == "convert") return verify_conversion(file, compare);
  const std::string family = config.text("family");
  static const std::set<std::string> built = {"clip", "dinov2", "dinov3", "eva02", "mae", "sam", "vit_augreg"};
  if (!built.contains(family)) throw NotBuilt("vfm " + family);

  zoo::Weights weights = weights_of(file);
  check_options(config, weights.model, compare);
  models::VitOptions& options = weights.model.options;
  const models::PositionResize rule = position_rule(config.object("pos_resize"));
  if (config.text("layout") == "vit_augreg_aa") options.position_resize = rule;  // timm's own choice, not the file's
  // "none": there is no table, or the model runs at its native size only.
  const bool resized = config.object("pos_resize").text("mode") != "none";
  compare.check_that(options.position_table || !resized, "whether there is a position table is not as recognised");
  compare.check_that(!resized || options.position_resize == rule, "pos_resize is not as recognised");
  // Like the heads, this is in no file: 16 in all published models.
  if (options.rope.kind == models::RopeKind::eva02)
    options.rope.reference_grid = config.object("rope").integer("pt_grid");

  models::Vit vit(options);
  vit.name_tree();
  const bool gradients = !file.names("cot.").empty();
  if (!gradients) vit.freeze();
  zoo::bind_weights(vit, weights, dtype);
  nn::move_to(vit, file.device());

  const Tensor pixels = file.map("in.image", dtype);
  const Variable image = gradients ? parameter(pixels) : constant(pixels);
  models::VitForward wanted;
  wanted.out_indices = to_ints(config.integers("out_indices"));
  wanted.want_final = file.has("out.final");
  const models::VitOutput out = vit.forward(image, nn::ForwardContext(), wanted);
  std::vector<NamedOutput> outputs;
  for (std::size_t i = 0; i < out.features.size(); ++i)
    outputs.push_back({"feature." + std::to_string(wanted.out_indices[i]), nhwc_to_nchw(out.features[i])});
  for (const NamedOutput& output : outputs) compare.check("out." + output.name, output.value.value());
  if (wanted.want_final) compare.check_map("out.final", out.final_map.value());
  if (!gradients) return;

  backward_case(file, dtype, outputs);
  compare.check_map("grad.in.image", image.grad());
  check_their_gradients(file, *weights.model.layout, vit, compare);
}

}  // namespace rein::train
