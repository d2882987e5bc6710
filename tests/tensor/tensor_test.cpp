#include "tensor/tensor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "tensor/error.h"

using rein::DType;
using rein::Shape;
using rein::Tensor;

namespace {

constexpr DType all_dtypes[] = {DType::f64, DType::f32, DType::bf16, DType::f16, DType::i64, DType::i32, DType::u8};

Tensor counting(const Shape& shape) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < shape.count(); ++i) values.push_back(static_cast<float>(i));
  return Tensor::from(values, shape);
}

}  // namespace

TEST_CASE("dtype: sizes and names") {
  const std::size_t sizes[] = {8, 4, 2, 2, 8, 4, 1};
  const char* names[] = {"f64", "f32", "bf16", "f16", "i64", "i32", "u8"};
  for (std::size_t i = 0; i < std::size(all_dtypes); ++i) {
    CHECK(rein::size_of(all_dtypes[i]) == sizes[i]);
    CHECK(rein::name_of(all_dtypes[i]) == names[i]);
  }
  CHECK_THROWS_WITH_AS(rein::dispatch_real("relu", DType::u8, []<class T>() {}),
                       "[relu] dtype must be f32 or f64, got u8", std::invalid_argument);
}

TEST_CASE("tensor: makers, for every dtype") {
  for (const DType dtype : all_dtypes) {
    CAPTURE(rein::name_of(dtype));
    CHECK(Tensor::zeros({2, 3}, dtype).to_doubles() == std::vector<double>(6, 0.0));
    CHECK(Tensor::full({2}, 5, dtype).to_doubles() == std::vector<double>{5, 5});
    CHECK(Tensor::scalar(3, dtype).item() == 3.0);
    const Tensor t = Tensor::empty({4, 0, 2}, dtype);
    CHECK(t.count() == 0);
    CHECK(t.bytes() == 0);
    CHECK(Tensor::zeros_like(Tensor::empty({7}, dtype)).bytes() == 7 * rein::size_of(dtype));
  }
  CHECK(reinterpret_cast<std::uintptr_t>(Tensor::empty({3}, DType::u8).raw()) % 64 == 0);
  CHECK_THROWS_WITH_AS(Tensor::from(std::vector<float>{1, 2}, {3}), "[tensor] shape (3) needs 3 values, got 2",
                       std::invalid_argument);
}

TEST_CASE("tensor: a null tensor is told from an empty one") {
  const Tensor null;
  CHECK_FALSE(static_cast<bool>(null));
  CHECK(static_cast<bool>(Tensor::empty({0}, DType::f32)));
  CHECK_THROWS_AS(null.raw(), std::invalid_argument);
  CHECK_FALSE(static_cast<bool>(null.clone()));
  CHECK(null.version() == 0);
}

TEST_CASE("tensor: copies, views and rows share storage; clones do not") {
  Tensor t = counting({3, 4});
  Tensor same = t;
  Tensor view = t.view({2, 6});
  Tensor rows = t.rows(1, 3);
  Tensor clone = t.clone();
  CHECK(rows.shape() == Shape{2, 4});
  CHECK(rows.at(0) == 4.0);
  CHECK(rows.rows(1, 2).at(0) == 8.0);
  CHECK(rows.view({8}).at(7) == 11.0);
  CHECK(rows.clone().at(0) == 4.0);
  CHECK(t.rows(1, 1).count() == 0);
  CHECK_FALSE(t.owns_storage_alone());
  CHECK(clone.owns_storage_alone());
  rows.mutable_data<float>()[0] = 100;
  CHECK(t.at(4) == 100.0);
  CHECK(view.at(4) == 100.0);
  CHECK(same.at(4) == 100.0);
  CHECK(clone.at(4) == 4.0);
  rows.fill(-1);
  CHECK(t.to_doubles() == std::vector<double>{0, 1, 2, 3, -1, -1, -1, -1, -1, -1, -1, -1});
  CHECK_THROWS_WITH_AS(t.view({5}), "[view] cannot view (3, 4) as (5): 12 and 5 elements", std::invalid_argument);
  CHECK_THROWS_AS(t.rows(2, 4), std::invalid_argument);
  CHECK_THROWS_AS(t.rows(-1, 2), std::invalid_argument);
  CHECK_THROWS_AS(t.rows(2, 1), std::invalid_argument);
  CHECK_THROWS_AS(Tensor::scalar(1).rows(0, 1), std::invalid_argument);
}

TEST_CASE("tensor: access is typed and inside") {
  Tensor t = counting({2, 3});
  CHECK(t.values<float>()[5] == 5.0f);
  CHECK_THROWS_WITH_AS(t.data<double>(), "[tensor] data of dtype f32 asked for as f64", std::invalid_argument);
  CHECK_THROWS_AS(t.mutable_data<std::int32_t>(), std::invalid_argument);
  CHECK_THROWS_AS(t.at(6), std::invalid_argument);
  CHECK_THROWS_AS(t.at(-1), std::invalid_argument);
  CHECK_THROWS_AS(t.item(), std::invalid_argument);
}

TEST_CASE("tensor: copy_from needs the same shape and dtype, and may overlap") {
  Tensor t = counting({4, 2});
  Tensor other = Tensor::zeros({4, 2}, DType::f32);
  other.copy_from(t);
  CHECK(other.to_doubles() == t.to_doubles());
  t.rows(1, 4).copy_from(t.rows(0, 3));
  CHECK(t.to_doubles() == std::vector<double>{0, 1, 0, 1, 2, 3, 4, 5});
  CHECK_THROWS_AS(other.copy_from(counting({2, 4})), std::invalid_argument);
  CHECK_THROWS_AS(other.copy_from(Tensor::zeros({4, 2}, DType::f64)), std::invalid_argument);
}

TEST_CASE("tensor: writes are counted per storage, reads are not") {
  Tensor t = counting({2, 2});
  Tensor view = t.rows(0, 1);
  const auto version = t.version();
  t.data<float>();
  t.at(0);
  CHECK(t.version() == version);
  view.mutable_data<float>();
  CHECK(t.version() > version);
  const auto later = t.version();
  view.copy_from(t.rows(1, 2));
  CHECK(t.version() > later);
}

TEST_CASE("tensor: over existing storage") {
  const Tensor t = counting({6});
  CHECK(Tensor::over(t.storage(), 2, {2, 2}, DType::f32).to_doubles() == std::vector<double>{2, 3, 4, 5});
  CHECK_THROWS_AS(Tensor::over(t.storage(), 3, {2, 2}, DType::f32), std::invalid_argument);
  CHECK_THROWS_AS(Tensor::over(t.storage(), -1, {1}, DType::f32), std::invalid_argument);
  CHECK_THROWS_AS(Tensor::over(t.storage(), 0, {4}, DType::f64), std::invalid_argument);
  CHECK_THROWS_AS(Tensor::over(nullptr, 0, {0}, DType::f32), std::invalid_argument);
}

TEST_CASE("error texts") {
  CHECK(rein::concat_text("a", 1, Shape{2}) == "a1(2)");
  CHECK_THROWS_WITH_AS(rein::fail("op", "x ", 1), "[op] x 1", std::invalid_argument);
  CHECK_THROWS_WITH_AS(rein::fail_runtime("disk", "y"), "[disk] y", std::runtime_error);
  CHECK_NOTHROW(rein::require(true, "op", "never"));
}
