#include "models/merge.h"

#include <map>

namespace rein::models {

std::unique_ptr<Segmentor> merged(Segmentor& model) {
  const Adapter* adapter = model.backbone().adapter();
  if (adapter == nullptr || !adapter->merge_into(model.backbone().vit())) return nullptr;
  SegmentorOptions options = model.options();
  options.method = {};
  auto plain = std::make_unique<Segmentor>(options);
  std::map<std::string, const nn::Param*> values;
  model.visit([&](const std::string& path, nn::Param& p) { values[path] = &p; });
  plain->visit([&](const std::string& path, nn::Param& p) {
    const Tensor& value = values.at(path)->value.value();
    p.value = p.frozen ? constant(value) : parameter(value);
  });
  plain->move_to(model.device());
  return plain;
}

}  // namespace rein::models
