#include "tensor/ops/shape/shape_ops.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/cases/case.h"
#include "autograd/cases/shape/shape_ops_cases.h"
#include "autograd/ops/conv/conv.h"
#include "autograd/ops/shape/shape.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

// Every dtype, by values that are small whole numbers.
TEST_CASE("shape operations move every dtype") {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16, DType::i64, DType::i32, DType::u8}) {
    CAPTURE(std::string(name_of(dtype)));
    const Shape shape{2, 17, 19};
    Tensor x = Tensor::empty(shape, dtype);
    for (std::size_t i = 0; i < x.bytes(); ++i) static_cast<unsigned char*>(x.mutable_raw())[i] = (i * 37 + 11) % 251;
    CHECK(same_bits(ops::permute(x, {0, 2, 1}), permute_loops(x, {0, 2, 1})));
    CHECK(same_bits(ops::permute(x, {1, 0, 2}), permute_loops(x, {1, 0, 2})));
    CHECK(same_bits(ops::slice(x, 2, 3, 4), slice_loops(x, 2, 3, 4)));
    CHECK(same_bits(ops::concat(ops::split(x, -1, {4, 0, 15}), -1), x));
    CHECK(same_bits(ops::concat(ops::split(x, 0, {1, 1}), 0), x));
    CHECK(same_bits(ops::expand(x.rows(1, 2), 2).rows(1, 2), x.rows(1, 2)));
    const Tensor image = x.view({1, 2, 17 * 19, 1});
    CHECK(same_bits(ops::unpatchify(ops::patchify(image, 1), 2, 17 * 19, 1), image));
  }
}

TEST_CASE("permute of sizes around tiles equals plain loops, and its inverse undoes it") {
  for (const std::int64_t rows : {1, 2, 15, 16, 17, 31, 33, 129})
    for (const std::int64_t cols : {1, 3, 16, 31, 32, 130}) {
      const Tensor x = random_normal(RandomKey(1), {2, rows, cols}, 0, 1);
      const Tensor y = ops::permute(x, {2, 0, 1});
      CHECK(same_bits(y, permute_loops(x, {2, 0, 1})));
      CHECK(same_bits(ops::permute(y, ops::inverse_axes({2, 0, 1})), x));
    }
}

TEST_CASE("shape operations give the same bits for any number of threads") {
  const Tensor x = random_normal(RandomKey(2), {3, 130, 70, 9}, 0, 1);
  check_same_bits_for_any_threads([&] {
    return std::vector{ops::nhwc_to_nchw(x),    ops::permute(x, {0, 2, 1, 3}), ops::patchify(x, 10),
                       ops::slice(x, 2, 1, 69), ops::concat({x, x}, 3),        ops::expand(x.rows(0, 1), 5)};
  });
}

TEST_CASE("shape operations take empty tensors") {
  const Tensor x = Tensor::zeros({0, 3, 4}, DType::f32);
  CHECK(ops::permute(x, {2, 1, 0}).shape() == Shape{4, 3, 0});
  CHECK(ops::concat({x, x}, 1).shape() == Shape{0, 6, 4});
  CHECK(ops::slice(Tensor::zeros({2, 3}, DType::f32), 1, 2, 2).shape() == Shape{2, 0});
  CHECK(ops::permute(Tensor::scalar(3), {}).item() == 3);
  CHECK(ops::expand(Tensor::zeros({1, 2}, DType::f32), 0).count() == 0);
}

TEST_CASE("split_rows shares storage and takes the whole of it") {
  const Variable x = parameter(Tensor::zeros({5, 2}, DType::f32));
  const auto parts = split_rows(x, {2, 3});
  CHECK(parts[1].value().storage() == x.value().storage());
  CHECK(parts[1].shape() == Shape{3, 2});
  CHECK_THROWS_WITH_AS(split_rows(x, {2, 2}), "[split_rows] sizes must sum to 5, the rows of (5, 2), got 4",
                       std::invalid_argument);
}

TEST_CASE("split whose outputs are all unused but one has zeros in its gradient, NaN stays where it is") {
  const Variable x = parameter(Tensor::zeros({2, 4}, DType::f32));
  const auto parts = split(x, 1, {1, 3});
  Tensor cotangent = Tensor::full({2, 1}, 2, DType::f32);
  cotangent.mutable_data<float>()[1] = std::numeric_limits<float>::quiet_NaN();
  backward(parts[0], cotangent);
  const auto grad = x.grad().to_doubles();
  CHECK(grad[0] == 2);
  CHECK(grad[1] == 0);
  CHECK(std::isnan(grad[4]));
  CHECK(grad[5] == 0);
}

TEST_CASE("shape operations name what they got") {
  const Tensor x = Tensor::zeros({2, 6, 9, 3}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::permute(x, {0, 1, 1, 2}),
                       "[permute] axes must name each of the 4 axes once, got 1 at place 2", std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::permute(x, {0, 1}), "[permute] needs one entry of axes per axis of (2, 6, 9, 3), got 2",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::split(x, 1, {2, 3}),
                       "[split] sizes must sum to 6, the size of axis 1 of (2, 6, 9, 3), got 5", std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::slice(x, 1, 4, 7), "[slice] range [4, 7) is outside of axis 1 of (2, 6, 9, 3)",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::slice(x, 4, 0, 1), "[slice] axis 4 is outside of (2, 6, 9, 3)", std::invalid_argument);
  CHECK_THROWS_AS(ops::concat({}, 0), std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::concat({x, Tensor::zeros({2, 6, 8, 3}, DType::f32)}, 1),
                       "[concat] parts must agree except along axis 1, got (2, 6, 9, 3) and (2, 6, 8, 3)",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::concat({x, Tensor::zeros({2, 6, 9, 3}, DType::f64)}, 1),
                       "[concat] parts must have one dtype, got f32 and f64", std::invalid_argument);
  CHECK_THROWS_AS(ops::expand(x, 2), std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::patchify(x, 2),
                       "[patchify] height and width must be multiples of the patch size 2, image is (2, 6, 9, 3)",
                       std::invalid_argument);
  CHECK_THROWS_AS(ops::unpatchify(Tensor::zeros({1, 4, 12}, DType::f32), 4, 6, 2), std::invalid_argument);
}

}  // namespace
