#include "models/zoo/sources.h"

#include <cmath>
#include <cstring>

#include "tensor/error.h"
#include "tensor/ops/sampling/resize.h"

namespace rein::models::zoo {
namespace {

constexpr const char* kernel_name = "patch_embed.proj.weight";
constexpr const char* table_name = "pos_embed";

// Tensors of one dtype, one below the other.
Tensor stack_rows(const std::vector<Tensor>& parts, const Shape& shape) {
  Tensor out = Tensor::empty(shape, parts[0].dtype());
  auto* to = static_cast<std::byte*>(out.mutable_raw());
  for (const Tensor& part : parts) {
    std::memcpy(to, part.raw(), part.bytes());
    to += part.bytes();
  }
  return out;
}

}  // namespace

MappedSource::MappedSource(std::shared_ptr<const nn::TensorSource> inner, const Layout& layout)
    : inner_(std::move(inner)), layout_(layout) {
  for (const std::string& theirs : inner_->names()) {
    if (layout_.ignores(theirs)) continue;
    const auto place = place_of(layout_, theirs);
    names_.insert(place ? place->name : theirs);
  }
  std::erase_if(names_, [&](const std::string& name) { return !has(name); });
}

std::vector<std::string> MappedSource::pieces(const std::string& ours) const {
  std::vector<std::string> theirs = pieces_of(layout_, ours);
  if (theirs.empty()) theirs.push_back(ours);  // not in the table: as it is
  return theirs;
}

std::vector<std::string> MappedSource::names() const {
  return {names_.begin(), names_.end()};
}

bool MappedSource::has(const std::string& name) const {
  // A name of theirs that is left out does not become ours by being spelt alike.
  if (pieces_of(layout_, name).empty() && layout_.ignores(name)) return false;
  for (const std::string& theirs : pieces(name))
    if (!inner_->has(theirs)) return false;
  return true;
}

Shape MappedSource::shape(const std::string& name) const {
  const std::vector<std::string> theirs = pieces(name);
  const Shape first = to_our_shape(form_of(layout_, name), inner_->shape(theirs[0]));
  if (theirs.size() == 1) return first;
  for (const std::string& piece : theirs) {
    const Shape other = inner_->shape(piece);
    if (other != first || other.rank() == 0) return other;
  }
  return first.with(0, first[0] * static_cast<std::int64_t>(theirs.size()));
}

Tensor MappedSource::read(const std::string& name, DType dtype) const {
  const std::vector<std::string> theirs = pieces(name);
  if (theirs.size() == 1) return inner_->read(theirs[0], dtype).view(shape(name));
  Tensor out = Tensor::empty(shape(name), dtype);
  read_into(name, out);
  return out;
}

void MappedSource::read_into(const std::string& name, Tensor& out) const {
  const std::vector<std::string> theirs = pieces(name);
  const std::int64_t rows = theirs.size() == 1 ? 0 : out.size(0) / static_cast<std::int64_t>(theirs.size());
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    const auto begin = static_cast<std::int64_t>(i) * rows;
    Tensor part = (theirs.size() == 1 ? out : out.rows(begin, begin + rows)).view(inner_->shape(theirs[i]));
    inner_->read_into(theirs[i], part);
  }
}

std::int64_t grid_side(std::int64_t patches, const std::string& what) {
  const auto side = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(patches))));
  if (patches < 1 || side * side != patches)
    fail_runtime("zoo", what, " must have a square grid of positions, got ", patches, " of them");
  return side;
}

Tensor convert_patch_kernel(const Tensor& kernel, std::int64_t patch) {
  require(kernel.rank() == 4, "convert_patch_kernel", "kernel must be (O, I, p, p), got ", kernel.shape());
  const Shape& s = kernel.shape();
  const Tensor planes = kernel.view({s[0] * s[1], s[2], s[3], 1});  // every (out, in) pair is an image of its own
  return ops::resize(planes, ops::to_size(patch, patch, ops::Interpolation::bicubic)).view({s[0], s[1], patch, patch});
}

Tensor convert_positions(const Tensor& table, const Conversion& to) {
  const std::int64_t first = to.class_row ? 1 : 0;
  require(table.rank() == 3 && table.size(0) == 1 && table.size(1) > first, "convert_positions", "table must be (1, ",
          to.class_row ? "1 + " : "", "g*g, C), got ", table.shape());
  const std::int64_t side = grid_side(table.size(1) - first, "pos_embed"), c = table.size(2);
  const Tensor rows = table.view({first + side * side, c});
  const Tensor map = rows.rows(first, first + side * side).view({1, side, side, c});
  const Tensor resized = ops::resize(map, ops::to_size(to.grid, to.grid, to.positions));
  if (!to.class_row) return resized.view({1, to.grid * to.grid, c});
  return stack_rows({rows.rows(0, 1), resized}, {1, 1 + to.grid * to.grid, c});
}

void ConvertedSource::read_into(const std::string& name, Tensor& out) const {
  if (inner_->shape(name) == shape(name)) return inner_->read_into(name, out);
  nn::TensorSource::read_into(name, out);
}

ConvertedSource::ConvertedSource(std::shared_ptr<const nn::TensorSource> inner, const Conversion& to)
    : inner_(std::move(inner)), to_(to) {
  require(to.patch >= 1 && to.grid >= 1, "zoo", "patch and grid must be at least 1, got ", to.patch, " and ", to.grid);
}

Shape ConvertedSource::shape(const std::string& name) const {
  const Shape s = inner_->shape(name);
  if (name == kernel_name && s.rank() == 4) return s.with(2, to_.patch).with(3, to_.patch);
  if (name == table_name && s.rank() == 3) return s.with(1, (to_.class_row ? 1 : 0) + to_.grid * to_.grid);
  return s;
}

Tensor ConvertedSource::read(const std::string& name, DType dtype) const {
  const Tensor t = inner_->read(name, dtype);
  if (t.shape() == shape(name)) return t;
  return name == kernel_name ? convert_patch_kernel(t, to_.patch) : convert_positions(t, to_);
}

}  // namespace rein::models::zoo
