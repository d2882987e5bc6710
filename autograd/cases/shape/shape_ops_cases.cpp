#include "autograd/cases/shape/shape_ops_cases.h"

#include <cstring>
#include <functional>

#include "autograd/cases/case.h"
#include "autograd/ops/conv/conv.h"
#include "autograd/ops/shape/shape.h"
#include "tensor/ops/shape/shape_ops.h"

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

}  // namespace

namespace rein::testing {

Tensor permute_loops(const Tensor& x, const std::vector<int>& axes) {
  std::vector<std::int64_t> sizes;
  for (const int a : axes) sizes.push_back(x.size(a));
  return gather(x, Shape(std::span<const std::int64_t>(sizes)), [&](const std::vector<std::int64_t>& at) {
    std::vector<std::int64_t> source(at.size());
    for (std::size_t k = 0; k < at.size(); ++k) source[static_cast<std::size_t>(axes[k])] = at[k];
    return source;
  });
}

Tensor slice_loops(const Tensor& x, int axis, std::int64_t begin, std::int64_t end) {
  return gather(x, x.shape().with(axis, end - begin), [&](std::vector<std::int64_t> at) {
    at[static_cast<std::size_t>(axis)] += begin;
    return at;
  });
}

}  // namespace rein::testing

namespace {

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

}  // namespace
