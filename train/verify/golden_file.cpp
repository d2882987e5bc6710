#include "train/verify/golden_file.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "autograd/ops/shape/shape.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"
#include "train/verify/golden_generate.h"

namespace rein::train {
namespace {

std::string metadata_text(const SafeTensors& file, const std::string& key, const std::string& where) {
  const auto it = file.metadata().find(key);
  if (it == file.metadata().end()) fail_runtime(where, "not a reference case: its metadata has no \"", key, "\"");
  return it->second;
}

std::map<std::string, double> number_table(const std::string& text, const std::string& key, const std::string& where) {
  const auto value = nlohmann::json::parse(text, nullptr, false);
  if (!value.is_object()) fail_runtime(where, key, " is not a JSON object");
  std::map<std::string, double> table;
  for (const auto& [name, number] : value.items()) {
    if (!number.is_number()) fail_runtime(where, key, " of ", name, " is not a number");
    table[name] = number.get<double>();
    if (!(table[name] >= 0)) fail_runtime(where, key, " of ", name, " is not a number of at least 0");
  }
  return table;
}

}  // namespace

GoldenFile GoldenFile::open(const std::filesystem::path& path) {
  const std::string where = path.filename().string();
  GoldenFile file(SafeTensors::open(path));
  const std::string format = metadata_text(file.tensors_, "format", where);
  if (format != "rein-golden-1") fail_runtime(where, "format must be rein-golden-1, got \"", format, "\"");
  file.kind_ = metadata_text(file.tensors_, "kind", where);
  file.config_ = GoldenConfig::parse(metadata_text(file.tensors_, "config", where), where);
  const auto& metadata = file.tensors_.metadata();
  if (const auto it = metadata.find("f32_error"); it != metadata.end())
    file.f32_error_ = number_table(it->second, "f32_error", where);
  if (const auto it = metadata.find("f32_p90"); it != metadata.end())
    file.f32_p90_ = number_table(it->second, "f32_p90", where);

  const GoldenConfig& config = file.config_;
  if (config.has("max_abs")) {
    const GoldenConfig table = config.object("max_abs");
    for (const std::string& name : table.keys()) file.max_abs_[name] = table.number(name);
  }
  if (config.has("generated")) {
    file.seed_ = static_cast<std::uint64_t>(config.integer("generator_seed"));
    for (const GoldenConfig& item : config.objects("generated")) {
      Generated g;
      g.shape = Shape(std::span<const std::int64_t>(item.integers("shape")));
      // A few bytes of text must not ask for all memory.
      if (g.shape.count() > (std::int64_t{1} << 28))
        fail_runtime(where, "a generated tensor of shape ", g.shape, " is too large");
      g.lo = item.number("lo");
      g.hi = item.number("hi");
      if (item.has("pixel_sizes")) g.pixel_sizes = item.integer_rows("pixel_sizes");
      file.generated_[item.text("name")] = std::move(g);
    }
  }
  return file;
}

bool GoldenFile::has(const std::string& name) const {
  return tensors_.has(name) || generated_.contains(name);
}

std::vector<std::string> GoldenFile::names(const std::string& prefix) const {
  std::map<std::string, bool> found;
  for (const std::string& name : tensors_.names())
    if (name.starts_with(prefix)) found[name] = true;
  for (const auto& [name, rule] : generated_)
    if (name.starts_with(prefix)) found[name] = true;
  std::vector<std::string> names;
  for (const auto& [name, yes] : found) names.push_back(name);
  return names;
}

Shape GoldenFile::shape(const std::string& name) const {
  if (const auto it = generated_.find(name); it != generated_.end()) return it->second.shape;
  return tensors_.entry(name).shape;
}

Tensor GoldenFile::tensor(const std::string& name) const {
  const auto it = generated_.find(name);
  if (it == generated_.end()) return tensors_.tensor(name);
  const Generated& g = it->second;
  return g.pixel_sizes.empty() ? generated_tensor(name, seed_, g.shape, g.lo, g.hi)
                               : generated_locations(name, seed_, g.shape, g.lo, g.hi, g.pixel_sizes);
}

Tensor GoldenFile::tensor(const std::string& name, DType dtype) const {
  return ops::cast(tensor(name), dtype).to(device_);
}

Tensor GoldenFile::map(const std::string& name, DType dtype) const {
  return to_nhwc(tensor(name, dtype));
}

std::map<std::string, Tensor> GoldenFile::params(const std::string& prefix) const {
  const std::string full = "param." + prefix;
  std::map<std::string, Tensor> found;
  for (const std::string& name : names(full)) found[name.substr(full.size())] = tensor(name);
  return found;
}

double GoldenFile::f32_p90(const std::string& name) const {
  const auto it = f32_p90_.find(name);
  return it == f32_p90_.end() ? 0 : it->second;
}

double GoldenFile::max_abs(const std::string& name) const {
  const auto it = max_abs_.find(name);
  if (it == max_abs_.end()) fail_runtime(path().filename().string(), "config.max_abs has no ", name);
  return it->second;
}

Tensor to_nhwc(const Tensor& nchw) {
  return nchw ? nchw_to_nhwc(constant(nchw)).value() : Tensor{};
}
Tensor to_nchw(const Tensor& nhwc) {
  return nhwc ? nhwc_to_nchw(constant(nhwc)).value() : Tensor{};
}

}  // namespace rein::train
