#include "nn/module.h"

#include "tensor/error.h"

namespace rein::nn {
namespace {

std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : name.empty() ? prefix : prefix + "." + name;
}

}  // namespace

Shape Param::file_shape() const {
  if (layout != Layout::conv) return shape;
  return Shape{shape[0], shape[3], shape[1], shape[2]};
}

Param& Module::declare(std::string name, const Shape& shape, Init init, Layout layout) {
  require(layout != Layout::conv || shape.rank() == 4, "module", "a convolution weight has 4 dimensions, got ", shape,
          " for ", name);
  Param& param = params_.emplace_back();
  param.name = std::move(name);
  param.value = unbound(param.name);
  param.shape = shape;
  param.init = init;
  param.layout = layout;
  entries_.push_back({&param, nullptr, param.name});
  return param;
}

void Module::child(std::string name, Module& module) {
  entries_.push_back({nullptr, &module, std::move(name)});
}

void Module::visit_under(const std::string& prefix, const Visitor& visitor) {
  for (const Entry& entry : entries_) {
    const std::string path = join(prefix, entry.name);
    if (entry.param != nullptr)
      visitor(path, *entry.param);
    else
      entry.module->visit_under(path, visitor);
  }
}

std::int64_t Module::parameter_count(bool trainable_only) {
  std::int64_t count = 0;
  visit([&](const std::string&, Param& p) { count += trainable_only && p.frozen ? 0 : p.shape.count(); });
  return count;
}

void set_frozen(Param& p, bool frozen) {
  p.frozen = frozen;
  if (!p.value || p.value.requires_grad() != frozen) return;  // nothing changes: who holds the leaf keeps it
  // A frozen value may be a read-only view of a file; what an optimiser writes into must be our own.
  p.value = frozen ? constant(p.value.value()) : parameter(p.value.value().clone());
}

void Module::freeze(bool frozen) {
  visit([&](const std::string&, Param& p) { set_frozen(p, frozen); });
}

void Module::clear_grads() {
  visit([](const std::string&, Param& p) { p.value.clear_grad(); });
}

void Module::name_tree(const std::string& path) {
  path_ = path;
  for (const Entry& entry : entries_) {
    if (entry.module != nullptr)
      entry.module->name_tree(join(path, entry.name));
    else if (!entry.param->value)
      entry.param->value = unbound(join(path, entry.name));
  }
}

}  // namespace rein::nn
