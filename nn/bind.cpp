#include "nn/bind.h"

#include <set>
#include <utility>

#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"
#include "tensor/ops/shape/shape_ops.h"

namespace rein::nn {
namespace {

constexpr std::size_t most_listed = 20;

void append_group(std::string& text, const char* title, const std::vector<std::string>& names) {
  if (names.empty()) return;
  text += concat_text(text.empty() ? "" : "\n", title, " (", names.size(), "):");
  for (std::size_t i = 0; i < names.size() && i < most_listed; ++i) text += "\n  " + names[i];
  if (names.size() > most_listed) text += concat_text("\n  … and ", names.size() - most_listed, " more");
}

Tensor table_tensor(const std::vector<double>& values, const Shape& shape, DType dtype) {
  require(static_cast<std::int64_t>(values.size()) == shape.count(), "bind", "a start of ", values.size(),
          " values for shape ", shape);
  return ops::cast(Tensor::from(values, shape), dtype);
}

Tensor draw(const Init& init, RandomKey key, const Shape& shape, DType dtype) {
  switch (init.kind) {
    case Init::Kind::uniform:
      return random_uniform(key, shape, init.a, init.b, dtype);
    case Init::Kind::normal:
      return random_normal(key, shape, init.a, init.b, dtype);
    case Init::Kind::table:
      return table_tensor(*init.values, shape, dtype);
    case Init::Kind::constant:
    default:
      return Tensor::full(shape, init.a, dtype);
  }
}

}  // namespace

std::string BindReport::text() const {
  std::string text;
  append_group(text, "missing", missing);
  append_group(text, "unexpected", unexpected);
  append_group(text, "misshapen", misshapen);
  return text;
}

void TensorSource::read_into(const std::string& name, Tensor& out) const {
  ops::cast_into(read(name, out.dtype()), out);
}

MapSource::MapSource(std::map<std::string, Tensor> tensors, std::string what)
    : tensors_(std::move(tensors)), what_(std::move(what)) {}

std::vector<std::string> MapSource::names() const {
  std::vector<std::string> names;
  for (const auto& entry : tensors_) names.push_back(entry.first);
  return names;
}

bool MapSource::has(const std::string& name) const {
  return tensors_.contains(name);
}

Shape MapSource::shape(const std::string& name) const {
  require(has(name), "bind", what_, " has no tensor ", name);
  return tensors_.at(name).shape();
}

Tensor MapSource::read(const std::string& name, DType dtype) const {
  require(has(name), "bind", what_, " has no tensor ", name);
  return ops::cast(tensors_.at(name), dtype);
}

Tensor to_memory_layout(const Param& param, const Tensor& file_value) {
  require(file_value.shape() == param.file_shape(), "bind", param.name, " must have shape ", param.file_shape(),
          ", got ", file_value.shape());
  return param.layout == Layout::conv ? ops::permute(file_value, {0, 2, 3, 1}) : file_value;
}

Tensor to_file_layout(const Param& param, const Tensor& memory_value) {
  require(memory_value.shape() == param.shape, "bind", param.name, " must have shape ", param.shape, " in memory, got ",
          memory_value.shape());
  return param.layout == Layout::conv ? ops::permute(memory_value, {0, 3, 1, 2}) : memory_value;
}

void set_value(Param& param, const Tensor& file_value) {
  Tensor value = to_memory_layout(param, file_value);
  if (param.frozen) {
    param.value = constant(std::move(value));
    return;
  }
  // An optimiser writes into its parameters: never into a tensor that somebody else (a source, a file) still holds.
  param.value = parameter(value.storage() == file_value.storage() ? value.clone() : std::move(value));
}

BindReport bind(Module& root, const TensorSource& source, DType dtype,
                const std::function<bool(const std::string&)>& wanted,
                const std::function<bool(const std::string&)>& ignored) {
  BindReport report;
  std::vector<std::pair<std::string, Param*>> found;
  std::set<std::string> declared;
  root.visit([&](const std::string& path, Param& param) {
    declared.insert(path);
    if (wanted && !wanted(path)) return;
    if (!source.has(path)) {
      report.missing.push_back(path);
    } else if (const Shape shape = source.shape(path); shape != param.file_shape()) {
      report.misshapen.push_back(concat_text(path, ": must have shape ", param.file_shape(), ", got ", shape));
    } else {
      found.emplace_back(path, &param);
    }
  });
  for (const std::string& name : source.names()) {
    if (!declared.contains(name) && !(ignored && ignored(name))) report.unexpected.push_back(name);
  }
  if (!report.ok()) return report;
  for (auto& [path, param] : found) {
    if (param->frozen || param->layout == Layout::conv) {
      set_value(*param, source.read(path, dtype));
      continue;
    }
    Tensor own = Tensor::empty(param->shape, dtype);  // an optimiser will write into it
    source.read_into(path, own);
    param->value = parameter(std::move(own));
  }
  return report;
}

std::int64_t round_frozen_products(Module& root) {
  std::int64_t rounded = 0;
  root.visit([&](const std::string&, Param& param) {
    if (param.layout != Layout::linear || !param.frozen || !param.value || param.value.dtype() != DType::f32) return;
    param.value = constant(ops::cast(param.value.value(), DType::bf16));
    rounded += param.shape.count();
  });
  return rounded;
}

void set_precision(Module& root, Precision precision) {
  root.visit([&](const std::string&, Param& param) {
    if (precision != Precision::bf16 || (param.layout == Layout::linear && !param.frozen)) param.precision = precision;
  });
}

void move_to(Module& root, Device device) {
  root.visit([&](const std::string&, Param& param) {
    if (!param.value || param.value.value().device() == device) return;
    Tensor moved = param.value.value().to(device);
    param.value = param.frozen ? constant(std::move(moved)) : parameter(std::move(moved));
  });
}

void initialise(Module& root, RandomKey key, DType dtype) {
  root.visit([&](const std::string& path, Param& param) {
    if (param.value) return;
    // Drawn in the file's layout, so that a start does not depend on how we keep a weight in memory.
    set_value(param, draw(param.init, key.child(path), param.file_shape(), dtype));
  });
}

std::map<std::string, Tensor> collect(Module& root,
                                      const std::function<bool(const std::string&, const Param&)>& wanted) {
  std::map<std::string, Tensor> values;
  root.visit([&](const std::string& path, Param& param) {
    if (!param.value || (wanted && !wanted(path, param))) return;
    values.emplace(path, to_file_layout(param, param.value.value()).to(Device{}));
  });
  return values;
}

}  // namespace rein::nn
