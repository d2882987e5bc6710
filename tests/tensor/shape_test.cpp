#include "tensor/shape.h"

#include <doctest/doctest.h>

#include <sstream>
#include <stdexcept>
#include <vector>

using rein::Shape;

TEST_CASE("shape: sizes, counts and text") {
  const Shape s{2, 1370, 768};
  CHECK(s.rank() == 3);
  CHECK(s.count() == 2 * 1370 * 768);
  CHECK(s.rows() == 2 * 1370);
  CHECK(s.cols() == 768);
  CHECK(s[0] == 2);
  CHECK(s[-1] == 768);
  CHECK(s[-3] == 2);
  CHECK(s.text() == "(2, 1370, 768)");
  std::ostringstream out;
  out << s << Shape{};
  CHECK(out.str() == "(2, 1370, 768)()");
  CHECK_THROWS_WITH_AS(s[3], "[shape] axis 3 is outside of (2, 1370, 768)", std::invalid_argument);
  CHECK_THROWS_AS(s[-4], std::invalid_argument);
}

TEST_CASE("shape: scalars and zeros") {
  CHECK(Shape{}.count() == 1);
  CHECK(Shape{}.rows() == 1);
  CHECK(Shape{}.cols() == 1);
  CHECK(Shape{}.rank() == 0);
  CHECK(Shape{3, 0, 2}.count() == 0);
  CHECK(Shape{3, 0, 2}.rows() == 0);
  CHECK(Shape{5}.rows() == 1);
}

TEST_CASE("shape: equality looks at the sizes in use") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK_FALSE(Shape{2, 3} == Shape{3, 2});
  CHECK_FALSE(Shape{2, 3} == Shape{2, 3, 1});
  CHECK_FALSE(Shape{} == Shape{1});
  CHECK(Shape{2, 3}.with(1, 4) == Shape{2, 4});
  CHECK(Shape{2, 3}.with(-2, 4) == Shape{4, 3});
  CHECK(Shape{2, 3}.with(-2, 4).count() == 12);
  CHECK_THROWS_AS((Shape{2, 3}.with(2, 4)), std::invalid_argument);
}

TEST_CASE("shape: refuses what cannot be") {
  CHECK_THROWS_WITH_AS((Shape{2, -3}), "[shape] sizes must not be negative, got -3 on axis 1", std::invalid_argument);
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1, 1}), std::invalid_argument);
  CHECK(Shape{1, 1, 1, 1, 1, 2}.count() == 2);
  CHECK_THROWS_AS((Shape{1ll << 31, 1ll << 31, 2}), std::invalid_argument);
  CHECK(Shape{1ll << 31, 1ll << 31}.count() == 1ll << 62);
  const std::vector<std::int64_t> sizes = {4, 5};
  CHECK(Shape(std::span<const std::int64_t>(sizes)) == Shape{4, 5});
}
