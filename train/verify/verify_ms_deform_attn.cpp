// Kinds "ms_deform_attn" and "ms_deform_attn_layer" (golden README, sections 3 and 4), and "large_ms_deform_attn".
#include "autograd/ops/sampling/ms_deform_attn.h"
#include "nn/ms_deform_attn.h"
#include "tensor/error.h"
#include "train/verify/verify_modules.h"

namespace rein::train {
namespace {

std::vector<ops::LevelShape> levels_of(const GoldenConfig& config) {
  std::vector<ops::LevelShape> levels;
  for (const auto& row : config.integer_rows("spatial_shapes")) {
    if (row.size() != 2) fail_runtime("verify", "config.spatial_shapes must be a list of [h, w]");
    levels.push_back({row[0], row[1]});
  }
  return levels;
}

// The file may hold the shapes a second time.
void check_shapes(const GoldenFile& file, const std::vector<ops::LevelShape>& levels) {
  if (!file.has("in.spatial_shapes")) return;
  const Tensor shapes = file.tensor("in.spatial_shapes");
  bool same = shapes.count() == 2 * static_cast<std::int64_t>(levels.size());
  for (std::size_t i = 0; same && i < levels.size(); ++i) {
    const auto at = static_cast<std::int64_t>(2 * i);
    same = shapes.at(at) == static_cast<double>(levels[i].height) &&
           shapes.at(at + 1) == static_cast<double>(levels[i].width);
  }
  if (!same) fail_runtime("verify", "in.spatial_shapes and config.spatial_shapes differ");
}

}  // namespace

void verify_ms_deform_attn(const GoldenFile& file, Comparison& compare) {
  const DType dtype = compare.dtype();
  const auto levels = levels_of(file.config());
  check_shapes(file, levels);
  const Tensor stored = file.tensor("in.value", dtype);
  if (stored.rank() != 4) fail_runtime("verify", "in.value must be (N, S, heads, d)");
  const Variable value = parameter(stored.view({stored.size(0), stored.size(1), stored.size(2) * stored.size(3)}));
  const Variable locations = parameter(file.tensor("in.sampling_locations", dtype));
  const Variable weights = parameter(file.tensor("in.attention_weights", dtype));
  const Variable output = ms_deform_attn(value, levels, locations, weights);
  compare.check("out.output", output.value());
  if (file.config().flag_or("forward_only", false)) return;
  backward_case(file, dtype, {{"output", output}});
  compare.check("grad.in.value", value.grad().view(stored.shape()));
  compare.check("grad.in.sampling_locations", locations.grad());
  compare.check("grad.in.attention_weights", weights.grad());
}

void verify_ms_deform_attn_layer(const GoldenFile& file, Comparison& compare) {
  const DType dtype = compare.dtype();
  const GoldenConfig& config = file.config();
  nn::MsDeformAttnOptions options{.dim = config.integer("embed_dims"),
                                  .heads = config.integer("num_heads"),
                                  .levels = config.integer("num_levels"),
                                  .points = config.integer("num_points")};
  if (config.number_or("value_proj_ratio", 1) != 1) throw NotBuilt("value_proj_ratio other than 1");
  nn::MsDeformAttn layer(options);
  layer.name_tree();
  bind_case(layer, file, dtype);

  nn::MsDeformAttnInput in;
  in.levels = levels_of(config);
  check_shapes(file, in.levels);
  std::vector<std::pair<std::string, Variable>> inputs;
  const auto input = [&](const std::string& name) {
    if (!file.has("in." + name)) return Variable{};
    return inputs.emplace_back(name, parameter(file.tensor("in." + name, dtype))).second;
  };
  in.query = input("query");
  in.query_pos = input("query_pos");
  in.value = input("value");
  in.identity = input("identity");
  in.reference_points = input("reference_points");
  if (file.has("in.key_padding_mask")) in.key_padding_mask = file.tensor("in.key_padding_mask");
  const Variable output = layer(in);
  compare.check("out.output", output.value());
  backward_case(file, dtype, {{"output", output}});
  for (const auto& [name, variable] : inputs) compare.check("grad.in." + name, variable.grad());
  check_gradients(compare, layer);
}

}  // namespace rein::train
