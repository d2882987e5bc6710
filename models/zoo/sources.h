// Weight files as sources for nn::bind: a safetensors file as it is, the same under our names, and with the patch size
// and position grid converted.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "models/zoo/layout.h"
#include "nn/bind.h"
#include "tensor/io/safetensors.h"

namespace rein::models::zoo {

// The tensors of a file under the file's own names.
class FileSource final : public nn::TensorSource {
 public:
  explicit FileSource(SafeTensors file) : file_(std::move(file)) {}
  explicit FileSource(const std::filesystem::path& path) : file_(SafeTensors::open(path)) {}
  std::vector<std::string> names() const override { return file_.names(); }
  Shape shape(const std::string& name) const override { return file_.entry(name).shape; }
  bool has(const std::string& name) const override { return file_.has(name); }
  Tensor read(const std::string& name, DType dtype) const override { return file_.tensor(name, dtype); }
  std::string describe() const override { return file_.path().string(); }
  const SafeTensors& file() const { return file_; }

 private:
  SafeTensors file_;
};

// Another source under our names. Packed tensors are put together when read. Names that the table does not know keep
// theirs, so that nn::bind reports them as unexpected; ignored ones are left out. A packed tensor of which some pieces
// are absent counts as absent. Equal pieces are required: a deviating one gives its own shape, which nn::bind reports.
class MappedSource final : public nn::TensorSource {
 public:
  MappedSource(std::shared_ptr<const nn::TensorSource> inner, const Layout& layout);
  std::vector<std::string> names() const override;
  Shape shape(const std::string& name) const override;
  bool has(const std::string& name) const override;
  Tensor read(const std::string& name, DType dtype) const override;
  std::string describe() const override { return inner_->describe(); }
  const Layout& layout() const { return layout_; }
  const nn::TensorSource& inner() const { return *inner_; }

 private:
  std::vector<std::string> pieces(const std::string& ours) const;

  std::shared_ptr<const nn::TensorSource> inner_;
  const Layout& layout_;
  std::set<std::string> names_;  // ours
};

// A DINOv2 file converted as the official Rein does it: patch kernels and position grid resized by bicubic
// interpolation (a = -0.75, size given), kernels not rescaled, class row unchanged. Under our names.
class ConvertedSource final : public nn::TensorSource {
 public:
  ConvertedSource(std::shared_ptr<const nn::TensorSource> inner, std::int64_t patch, std::int64_t grid);
  std::vector<std::string> names() const override { return inner_->names(); }
  Shape shape(const std::string& name) const override;
  bool has(const std::string& name) const override { return inner_->has(name); }
  Tensor read(const std::string& name, DType dtype) const override;
  std::string describe() const override { return inner_->describe(); }

 private:
  std::shared_ptr<const nn::TensorSource> inner_;
  std::int64_t patch_, grid_;
};

// The two conversions alone. Kernel (O, I, p, p) -> (O, I, patch, patch); table (1, 1 + g*g, C) -> (1, 1 + grid*grid,
// C).
Tensor convert_patch_kernel(const Tensor& kernel, std::int64_t patch);
Tensor convert_positions(const Tensor& table, std::int64_t grid);

// Side of a square grid with this many patches; throws when it is none. `what` is for the error text.
std::int64_t grid_side(std::int64_t patches, const std::string& what);

}  // namespace rein::models::zoo
