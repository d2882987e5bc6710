#include "tensor/ops/loss/match_slots.h"

#include <doctest/doctest.h>

#include <vector>

#include "tensor/random.h"

namespace {

using namespace rein;

Tensor ids(const std::vector<std::int64_t>& values, const Shape& shape) {
  return Tensor::from(values, shape);
}

using Values = std::vector<double>;

// Two images of five queries; the first shows classes 1, 2 and 3, the second class 0 alone.
const std::vector<std::int64_t> class_of{-1, 3, 1, -1, 2, 0, -1, -1, -1, -1};
Tensor present() {
  return Tensor::from(std::vector<std::uint8_t>{0, 1, 1, 1, 1, 0, 0, 0}, {2, 4});
}

TEST_CASE("match_slots: exact places hold the matched masks in the order of queries") {
  const ops::MatchedSlots s = ops::match_slots(ids(class_of, {2, 5}), present(), ids({0, 3, 4}, {3}), 4);
  CHECK(s.rows.to_doubles() == Values{1, 2, 4, 5});
  CHECK(s.images.to_doubles() == Values{0, 0, 0, 1});
  CHECK(s.classes.to_doubles() == Values{3, 1, 2, 0});
  CHECK(s.targets.to_doubles() == Values{-1, 2, 0, -1, 1, 0, -1, -1, -1, -1});
  CHECK(s.free.to_doubles() == Values{4, -1, -1, 4, -1, -1, 4, 4, 4, 4});
}

TEST_CASE("match_slots: of more places the last ones are absent; of fewer, the first masks get one") {
  const ops::MatchedSlots more = ops::match_slots(ids(class_of, {2, 5}), present(), ids({0, 4, 8}, {3}), 8);
  CHECK(more.rows.to_doubles() == Values{1, 2, 4, -1, 5, -1, -1, -1});
  CHECK(more.images.to_doubles() == Values{0, 0, 0, -1, 1, -1, -1, -1});
  CHECK(more.classes.to_doubles() == Values{3, 1, 2, -1, 0, -1, -1, -1});
  const ops::MatchedSlots fewer = ops::match_slots(ids(class_of, {2, 5}), present(), ids({0, 2, 2}, {3}), 2);
  CHECK(fewer.rows.to_doubles() == Values{1, 2});
  CHECK(fewer.targets.to_doubles() == more.targets.to_doubles());
}

TEST_CASE("take_rows and put_rows: absent rows are zeros and go nowhere; each is the other's adjoint") {
  const Tensor x = random_normal(RandomKey(1), {5, 3}, 0, 1, DType::f64), rows = ids({4, -1, 0}, {3});
  const Tensor taken = ops::take_rows(x, rows);
  for (std::int64_t c = 0; c < 3; ++c) {
    CHECK(taken.at(c) == x.at(12 + c));
    CHECK(taken.at(3 + c) == 0);
    CHECK(taken.at(6 + c) == x.at(c));
  }
  const Tensor y = random_normal(RandomKey(2), {3, 3}, 0, 1, DType::f64), put = ops::put_rows(y, rows, 5);
  CHECK(put.shape() == Shape{5, 3});
  double left = 0, right = 0;  // <take(x), y> = <x, put(y)>
  for (std::int64_t i = 0; i < 9; ++i) left += taken.at(i) * y.at(i);
  for (std::int64_t i = 0; i < 15; ++i) right += x.at(i) * put.at(i);
  CHECK(left == doctest::Approx(right).epsilon(1e-14));
  CHECK(ops::take_rows(x, ids({}, {0})).shape() == Shape{0, 3});
}

TEST_CASE("match_slots names what does not fit") {
  const Tensor classes = ids(class_of, {2, 5}), splits = ids({0, 3, 4}, {3});
  CHECK_THROWS_WITH_AS(ops::match_slots(classes, present(), ids({0, 4}, {2}), 4),
                       "[match_slots] splits must be i64 (3), got (2)", std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::match_slots(classes, present(), ids({0, 5, 4}, {3}), 4),
                       "[match_slots] splits must ascend from 0 to 4, got 0 to 4", std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::match_slots(classes, Tensor::zeros({2, 3}, DType::u8), splits, 4),
                       "[match_slots] classes must be in [0, 3) or -1, got 3", std::invalid_argument);
  CHECK_THROWS_AS(ops::match_slots(classes, Tensor::zeros({3, 4}, DType::u8), splits, 4), std::invalid_argument);
  CHECK_THROWS_AS(ops::match_slots(classes.view({10}), present(), splits, 4), std::invalid_argument);
  const Tensor x = Tensor::zeros({5, 3}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::take_rows(x, ids({5}, {1})), "[take_rows] rows must be in [0, 5) or -1, got 5",
                       std::invalid_argument);
  CHECK_THROWS_AS(ops::put_rows(x, ids({0}, {1}), 5), std::invalid_argument);
}

}  // namespace
