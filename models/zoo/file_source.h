// Weight files of any format as sources for nn::bind, under the file's own names.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "nn/bind.h"
#include "tensor/io/weight_file.h"

namespace rein::models::zoo {

// The tensors of a file: safetensors (single or sharded) or .pth/.pt.
class FileSource final : public nn::TensorSource {
 public:
  explicit FileSource(std::shared_ptr<const WeightFile> file) : file_(std::move(file)) {}
  explicit FileSource(const std::filesystem::path& path) : file_(open_weight_file(path)) {}
  std::vector<std::string> names() const override { return file_->names(); }
  // These refuse numbers that are no weights: integers (quantised files) and dtypes that this library does not have.
  Shape shape(const std::string& name) const override;
  Tensor read(const std::string& name, DType dtype) const override;
  void read_into(const std::string& name, Tensor& out) const override;
  bool has(const std::string& name) const override { return file_->has(name); }
  std::string describe() const override { return file_->path().string(); }
  const WeightFile& file() const { return *file_; }

 private:
  WeightFile::Entry checked(const std::string& name) const;
  std::shared_ptr<const WeightFile> file_;
};

// The tensors below a prefix, without it: the backbone inside a whole segmentor ("backbone."). An adapter's
// (models/adapters/method.h) are left out.
class PrefixSource final : public nn::TensorSource {
 public:
  PrefixSource(std::shared_ptr<const nn::TensorSource> inner, std::string prefix);
  std::vector<std::string> names() const override { return {names_.begin(), names_.end()}; }
  Shape shape(const std::string& name) const override { return inner_->shape(prefix_ + name); }
  Tensor read(const std::string& name, DType dtype) const override { return inner_->read(prefix_ + name, dtype); }
  void read_into(const std::string& name, Tensor& out) const override { inner_->read_into(prefix_ + name, out); }
  bool has(const std::string& name) const override { return names_.contains(name); }
  std::string describe() const override { return inner_->describe() + " (" + prefix_ + "*)"; }

 private:
  std::shared_ptr<const nn::TensorSource> inner_;
  std::string prefix_;
  std::set<std::string> names_;
};

}  // namespace rein::models::zoo
