#include "models/zoo/file_source.h"

#include "models/adapters/method.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"

namespace rein::models::zoo {

WeightFile::Entry FileSource::checked(const std::string& name) const {
  WeightFile::Entry entry = file_->entry(name);
  if (!entry.problem.empty()) fail_runtime("zoo", describe(), ": tensor ", name, ": ", entry.problem);
  if (!is_floating(entry.dtype))
    fail_runtime("zoo", describe(), ": tensor ", name, " holds integers (", entry.file_dtype,
                 "); weights must be F32, F16, BF16 or F64");
  return entry;
}

Shape FileSource::shape(const std::string& name) const {
  return checked(name).shape;
}

Tensor FileSource::read(const std::string& name, DType dtype) const {
  checked(name);
  return file_->tensor(name, dtype);
}

void FileSource::read_into(const std::string& name, Tensor& out) const {
  checked(name);
  ops::cast_into(file_->tensor(name), out);
}

PrefixSource::PrefixSource(std::shared_ptr<const nn::TensorSource> inner, std::string prefix)
    : inner_(std::move(inner)), prefix_(std::move(prefix)) {
  for (const std::string& name : inner_->names())
    if (name.starts_with(prefix_) && !is_adapter_name(std::string_view(name).substr(prefix_.size())))
      names_.insert(name.substr(prefix_.size()));
}

}  // namespace rein::models::zoo
