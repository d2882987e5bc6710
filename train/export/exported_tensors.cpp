#include "train/export/exported_tensors.h"

#include <map>
#include <memory>
#include <utility>

#include "models/zoo/export.h"
#include "nn/bind.h"
#include "tensor/ops/elementwise/cast.h"

namespace rein::train {
namespace {

namespace zoo = models::zoo;
using Params = std::map<std::string, const nn::Param*>;

const std::string backbone_prefix = "backbone.";

// Declared parameters as a source of tensors in file layout; without values they have names and shapes only.
class DeclaredSource final : public nn::TensorSource {
 public:
  explicit DeclaredSource(Params params) : params_(std::move(params)) {}
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& entry : params_) names.push_back(entry.first);
    return names;
  }
  Shape shape(const std::string& name) const override { return params_.at(name)->file_shape(); }
  bool has(const std::string& name) const override { return params_.contains(name); }
  Tensor read(const std::string& name, DType dtype) const override {
    const nn::Param& param = *params_.at(name);
    return ops::cast(nn::to_file_layout(param, param.value.value().to(Device{})), dtype);
  }
  std::string describe() const override { return "the model"; }
  DType dtype(const std::string& name) const {
    const nn::Param& param = *params_.at(name);
    return param.value && param.value.dtype() == DType::bf16 ? DType::bf16 : DType::f32;
  }

 private:
  Params params_;
};

}  // namespace

bool is_vit_param(const zoo::Layout& layout, const std::string& path) {
  return path.starts_with(backbone_prefix) && !zoo::pieces_of(layout, path.substr(backbone_prefix.size())).empty();
}

std::vector<TensorToWrite> exported_tensors(models::Segmentor& model, const zoo::Layout& layout) {
  Params vit, rest;
  model.visit([&](const std::string& path, nn::Param& param) {
    if (is_vit_param(layout, path))
      vit[path.substr(backbone_prefix.size())] = &param;
    else
      rest[path] = &param;
  });
  const auto backbone = std::make_shared<DeclaredSource>(std::move(vit));
  zoo::Weights weights;
  weights.model.layout = &layout;
  weights.source = backbone;
  std::vector<TensorToWrite> tensors = zoo::as_layout(weights, layout, DType::f32);
  for (TensorToWrite& t : tensors) {
    const std::optional<zoo::Place> ours = zoo::place_of(layout, t.name);
    t.name = vit_prefix + t.name;
    if (!ours || backbone->dtype(ours->name) == DType::f32) continue;
    t.dtype = DType::bf16;  // exact: the value in f32 came from bf16
    t.read = [wide = std::move(t.read)] { return ops::cast(wide(), DType::bf16); };
  }
  const auto others = std::make_shared<DeclaredSource>(std::move(rest));
  for (const std::string& name : others->names()) {
    const DType dtype = others->dtype(name);
    tensors.push_back({name, dtype, others->shape(name), [=] { return others->read(name, dtype); }});
  }
  return tensors;
}

}  // namespace rein::train
