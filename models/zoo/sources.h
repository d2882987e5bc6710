// A weight file's source (file_source.h) under our names, and with the patch size and position grid converted.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "models/zoo/file_source.h"
#include "models/zoo/layout.h"
#include "nn/bind.h"

namespace rein::models::zoo {

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
  void read_into(const std::string& name, Tensor& out) const override;
  std::string describe() const override { return inner_->describe(); }
  const Layout& layout() const { return layout_; }
  const nn::TensorSource& inner() const { return *inner_; }

 private:
  std::vector<std::string> pieces(const std::string& ours) const;

  std::shared_ptr<const nn::TensorSource> inner_;
  const Layout& layout_;
  std::set<std::string> names_;  // ours
};

// What a file is converted to, and by which rules: see Layout::convert_positions.
struct Conversion {
  std::int64_t patch = 16, grid = 32;
  ops::Interpolation positions = ops::Interpolation::bicubic;  // size given, a = -0.75
  bool class_row = true;                                       // the position table begins with one, which stays
};

// A file converted as the official Rein does it: patch kernels resized by bicubic interpolation (a = -0.75, size given)
// and not rescaled, the position grid by the family's rule. Under our names.
class ConvertedSource final : public nn::TensorSource {
 public:
  ConvertedSource(std::shared_ptr<const nn::TensorSource> inner, const Conversion& to);
  std::vector<std::string> names() const override { return inner_->names(); }
  Shape shape(const std::string& name) const override;
  bool has(const std::string& name) const override { return inner_->has(name); }
  Tensor read(const std::string& name, DType dtype) const override;
  void read_into(const std::string& name, Tensor& out) const override;
  std::string describe() const override { return inner_->describe(); }

 private:
  std::shared_ptr<const nn::TensorSource> inner_;
  Conversion to_;
};

// The two conversions alone. Kernel (O, I, p, p) -> (O, I, patch, patch); table (1, 1 + g*g, C) -> (1, 1 + grid*grid,
// C), without the 1 where there is no class row.
Tensor convert_patch_kernel(const Tensor& kernel, std::int64_t patch);
Tensor convert_positions(const Tensor& table, const Conversion& to);

// Side of a square grid with this many patches; throws when it is none. `what` is for the error text.
std::int64_t grid_side(std::int64_t patches, const std::string& what);

}  // namespace rein::models::zoo
