// Shape: sizes of a row-major tensor, at most 6 of them. Prints as (2, 1370, 768); a scalar is ().
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>

namespace rein {

class Shape {
 public:
  static constexpr int max_rank = 6;

  Shape() = default;
  // Throws std::invalid_argument on a negative size, more than max_rank sizes, or an element count beyond 2^62.
  Shape(std::initializer_list<std::int64_t> sizes);
  explicit Shape(std::span<const std::int64_t> sizes);

  int rank() const { return rank_; }
  std::int64_t count() const { return count_; }  // product of all sizes; 1 for a scalar
  // Negative axes count from the end: shape[-1] is the innermost size. Throws when out of range.
  std::int64_t operator[](int axis) const;
  std::span<const std::int64_t> sizes() const { return {sizes_.data(), static_cast<std::size_t>(rank_)}; }

  Shape with(int axis, std::int64_t size) const;  // a copy with one size replaced
  std::int64_t rows() const;                      // product of all but the last size; 1 for a scalar
  std::int64_t cols() const { return rank_ == 0 ? 1 : sizes_[static_cast<std::size_t>(rank_ - 1)]; }

  bool operator==(const Shape& other) const;
  std::string text() const;

 private:
  std::array<std::int64_t, max_rank> sizes_{};
  int rank_ = 0;
  std::int64_t count_ = 1;
};

std::ostream& operator<<(std::ostream& out, const Shape& shape);

}  // namespace rein
