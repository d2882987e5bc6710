// Shared by the kinds: building modules from a case's configuration, binding its parameters, reading gradients back.
#pragma once

#include <string>

#include "models/adapters/rein_adapter.h"
#include "models/segmentor.h"
#include "train/verify/verify.h"

namespace rein::train {

// Binds `root` from "param.PREFIX*" with nn::bind; throws std::runtime_error with the whole report.
void bind_case(nn::Module& root, const GoldenFile& file, DType dtype, const std::string& prefix = "");

// Checks "grad.param.PREFIX + path" for every parameter that is not frozen, in file layout.
void check_gradients(Comparison& compare, nn::Module& root, const std::string& prefix = "");

// Runs backward from the outputs that have a "cot."; each is given in the file's layout (maps: N,C,H,W).
struct NamedOutput {
  std::string name;  // "feat.0"
  Variable value;
};
void backward_case(const GoldenFile& file, DType dtype, const std::vector<NamedOutput>& outputs);

// The case's label maps, i64 (N, H, W): "in.labels", or made by config.label_rule (section 18).
Tensor labels_of(const GoldenFile& file);

models::ReinOptions rein_options(const GoldenConfig& config);
models::VitOptions vit_options(const GoldenConfig& config);
// "system" cases (sections 10 and 11): backbone, Rein, neck and head; FPN or Mask2Former.
models::SegmentorOptions segmentor_options(const GoldenConfig& config);

std::int64_t mlp_hidden(const GoldenConfig& config, std::int64_t dim);  // mlp_ratio need not be whole
std::vector<int> to_ints(const std::vector<std::int64_t>& values);

}  // namespace rein::train
