#include "tensor/shape.h"

#include <algorithm>
#include <ostream>

#include "tensor/error.h"

namespace rein {

Shape::Shape(std::initializer_list<std::int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}

Shape::Shape(std::span<const std::int64_t> sizes) : rank_(static_cast<int>(sizes.size())) {
  require(sizes.size() <= max_rank, "shape", "rank must be at most ", max_rank, ", got ", sizes.size());
  constexpr std::int64_t limit = std::int64_t{1} << 62;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    require(sizes[i] >= 0, "shape", "sizes must not be negative, got ", sizes[i], " on axis ", i);
    require(sizes[i] == 0 || count_ <= limit / sizes[i], "shape", "element count overflows");
    sizes_[i] = sizes[i];
    count_ *= sizes[i];
  }
}

std::int64_t Shape::operator[](int axis) const {
  const int a = axis < 0 ? axis + rank_ : axis;
  require(a >= 0 && a < rank_, "shape", "axis ", axis, " is outside of ", text());
  return sizes_[static_cast<std::size_t>(a)];
}

Shape Shape::with(int axis, std::int64_t size) const {
  (*this)[axis];
  auto sizes = sizes_;
  sizes[static_cast<std::size_t>(axis < 0 ? axis + rank_ : axis)] = size;
  return Shape(std::span<const std::int64_t>(sizes.data(), static_cast<std::size_t>(rank_)));
}

std::int64_t Shape::rows() const {
  std::int64_t rows = 1;
  for (int i = 0; i + 1 < rank_; ++i) rows *= sizes_[static_cast<std::size_t>(i)];
  return rows;
}

bool Shape::operator==(const Shape& other) const {
  return std::ranges::equal(sizes(), other.sizes());
}

std::string Shape::text() const {
  std::string text = "(";
  for (int i = 0; i < rank_; ++i) text += (i ? ", " : "") + std::to_string(sizes_[static_cast<std::size_t>(i)]);
  return text + ")";
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  return out << shape.text();
}

}  // namespace rein
