#include "tensor/ops/shape/shape_ops.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "autograd/cases/case.h"
#include "autograd/ops/conv/conv.h"
#include "autograd/ops/shape/shape.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;
using Sizes = std::vector<std::int64_t>;

Sizes index_of(std::int64_t flat, const Shape& shape) {
  Sizes index(static_cast<std::size_t>(shape.rank()));
  for (int k = shape.rank() - 1; k >= 0; --k) {
    index[static_cast<std::size_t>(k)] = flat % shape[k];
    flat /= shape[k];
  }
  return index;
}

std::int64_t flat_of(const Sizes& index, const Shape& shape) {
  std::int64_t flat = 0;
  for (int k = 0; k < shape.rank(); ++k) flat = flat * shape[k] + index[static_cast<std::size_t>(k)];
  return flat;
}

// y[index] = x[from(index)], element by element.
Tensor gather(const Tensor& x, const Shape& y_shape, const std::function<Sizes(const Sizes&)>& from) {
  Tensor y = Tensor::empty(y_shape, x.dtype());
  const std::size_t bytes = size_of(x.dtype());
  auto* to = static_cast<std::byte*>(y.mutable_raw());
  for (std::int64_t i = 0; i < y.count(); ++i) {
    const std::int64_t source = flat_of(from(index_of(i, y_shape)), x.shape());
    std::memcpy(to + static_cast<std::size_t>(i) * bytes,
                static_cast<const std::byte*>(x.raw()) + static_cast<std::size_t>(source) * bytes, bytes);
  }
  return y;
}

Tensor permute_loops(const Tensor& x, const std::vector<int>& axes) {
  Sizes sizes;
  for (const int a : axes) sizes.push_back(x.size(a));
  return gather(x, Shape(std::span<const std::int64_t>(sizes)), [&](const Sizes& at) {
    Sizes source(at.size());
    for (std::size_t k = 0; k < at.size(); ++k) source[static_cast<std::size_t>(axes[k])] = at[k];
    return source;
  });
}

Tensor slice_loops(const Tensor& x, int axis, std::int64_t begin, std::int64_t end) {
  return gather(x, x.shape().with(axis, end - begin), [&](Sizes at) {
    at[static_cast<std::size_t>(axis)] += begin;
    return at;
  });
}

Tensor concat_loops(const Tensor& a, const Tensor& b, int axis) {
  Tensor y = Tensor::empty(a.shape().with(axis, a.size(axis) + b.size(axis)), a.dtype());
  for (std::int64_t i = 0; i < y.count(); ++i) {
    Sizes at = index_of(i, y.shape());
    std::int64_t& k = at[static_cast<std::size_t>(axis)];
    const bool second = k >= a.size(axis);
    if (second) k -= a.size(axis);
    y.mutable_data<double>()[i] = second ? b.at(flat_of(at, b.shape())) : a.at(flat_of(at, a.shape()));
  }
  return y;
}

Tensor patchify_loops(const Tensor& x, std::int64_t p) {
  const std::int64_t w = x.size(2) / p, c = x.size(3);
  return gather(x, {x.size(0), x.size(1) / p * w, p * p * c}, [&](const Sizes& at) {
    const std::int64_t dy = at[2] / (p * c), dx = at[2] / c % p;
    return Sizes{at[0], at[1] / w * p + dy, at[1] % w * p + dx, at[2] % c};
  });
}

const Cases cases("shape_ops", [](CaseList& list) {
  const std::string exact = "copies are exact";
  const auto add = [&](OpCase c) {
    c.f32_tolerance = 0;
    c.f32_grad_tolerance = 1e-7;
    c.f64_tolerance = 0;
    c.why = exact;
    list.add(std::move(c));
  };
  const std::vector<std::pair<Shape, std::vector<int>>> permutations = {{{3, 5}, {1, 0}},
                                                                        {{33, 31}, {1, 0}},
                                                                        {{1, 7, 1}, {2, 1, 0}},
                                                                        {{2, 3, 4, 5}, {0, 3, 1, 2}},
                                                                        {{2, 5, 3, 17}, {0, 2, 3, 1}},
                                                                        {{2, 3, 4, 5}, {3, 2, 1, 0}},
                                                                        {{2, 3, 4, 5}, {0, 2, 1, 3}},
                                                                        {{2, 1, 3, 2, 2}, {4, 1, 0, 3, 2}}};
  for (const auto& [shape, axes] : permutations) {
    std::string label = "permute " + shape.text() + " by";
    for (const int a : axes) label += " " + std::to_string(a);
    add({.label = label,
         .inputs = {normal("x", shape)},
         .run = [axes = axes](Vars v) { return Outs{permute(v[0], axes)}; },
         .reference = [axes = axes](Refs t) { return std::vector{permute_loops(t[0], axes)}; }});
  }
  for (const int axis : {0, 1, 2}) {
    const Shape a{2, 3, 4}, b = a.with(axis, 5);
    const std::string at = " along " + std::to_string(axis);
    add({.label = "concat" + at,
         .inputs = {normal("a", a), normal("b", b)},
         .run =
             [=](Vars v) {
               return Outs{concat({v[0], v[1]}, axis)};
             },
         .reference = [=](Refs t) { return std::vector{concat_loops(t[0], t[1], axis)}; }});
    add({.label = "concat, second frozen," + at,
         .inputs = {normal("a", a), frozen(normal("b", b))},
         .run =
             [=](Vars v) {
               return Outs{concat({v[0], v[1]}, axis - 3)};
             },
         .reference = [=](Refs t) { return std::vector{concat_loops(t[0], t[1], axis)}; }});
    const Shape whole = Shape{3, 3, 3}.with(axis, 7);
    add({.label = "split" + at,
         .inputs = {normal("x", whole)},
         .run =
             [=](Vars v) {
               return split(v[0], axis, {1, 4, 2});
             },
         .reference =
             [=](Refs t) {
               return std::vector{slice_loops(t[0], axis, 0, 1), slice_loops(t[0], axis, 1, 5),
                                  slice_loops(t[0], axis, 5, 7)};
             }});
    add({.label = "split, middle unused," + at,
         .inputs = {normal("x", whole)},
         .run =
             [=](Vars v) {
               const auto parts = split(v[0], axis, {1, 4, 2});
               return Outs{parts[0], parts[2]};
             },
         .reference =
             [=](Refs t) {
               return std::vector{slice_loops(t[0], axis, 0, 1), slice_loops(t[0], axis, 5, 7)};
             }});
    add({.label = "slice" + at,
         .inputs = {normal("x", whole)},
         .run = [=](Vars v) { return Outs{slice(v[0], axis, 2, 6)}; },
         .reference = [=](Refs t) { return std::vector{slice_loops(t[0], axis, 2, 6)}; }});
  }
  add({.label = "split_rows, middle unused",
       .inputs = {normal("x", {7, 3, 2})},
       .run =
           [](Vars v) {
             const auto parts = split_rows(v[0], {1, 4, 2});
             return Outs{parts[0], parts[2]};
           },
       .reference =
           [](Refs t) {
             return std::vector{slice_loops(t[0], 0, 0, 1), slice_loops(t[0], 0, 5, 7)};
           }});
  add({.label = "expand",
       .inputs = {normal("x", {1, 3, 5})},
       .run = [](Vars v) { return Outs{expand(v[0], 4)}; },
       .reference =
           [](Refs t) {
             return std::vector{gather(t[0], {4, 3, 5}, [](const Sizes& at) { return Sizes{0, at[1], at[2]}; })};
           }});
  add({.label = "view",
       .inputs = {normal("x", {2, 6})},
       .run =
           [](Vars v) {
             return Outs{view(v[0], {3, 4})};
           },
       .reference =
           [](Refs t) {
             return std::vector{t[0].view({3, 4})};
           }});
  for (const std::int64_t p : {1, 2, 3}) {
    add({.label = "patchify by " + std::to_string(p),
         .inputs = {normal("image", {2, 6, 12, 3})},
         .run = [=](Vars v) { return Outs{patchify(v[0], p)}; },
         .reference = [=](Refs t) { return std::vector{patchify_loops(t[0], p)}; }});
  }
  const auto bench = [&](const std::string& label, const Shape& shape, std::function<Variable(const Variable&)> run) {
    list.add({.label = label + " " + shape.text(),
              .inputs = {normal("x", shape)},
              .run = [run](Vars v) { return Outs{run(v[0])}; },
              .bench_only = true,
              .bytes = 8.0 * static_cast<double>(shape.count())});
  };
  bench("nhwc_to_nchw", {1, 128, 128, 256}, nhwc_to_nchw);
  bench("nchw_to_nhwc", {1, 256, 128, 128}, nchw_to_nhwc);
  bench("patchify by 16", {4, 512, 512, 3}, [](const Variable& v) { return patchify(v, 16); });
});

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
