#include "autograd/cases/case.h"
#include "autograd/ops/attention/windows.h"
#include "tensor/error.h"
#include "tensor/ops/attention/windows.h"

namespace {

using namespace rein;
using namespace rein::testing;

// Calls body(place in the windows, place in the map or -1) for every pixel place of every window.
template <class F>
void for_each_place(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t side, F&& body) {
  std::int64_t place = 0;
  for (std::int64_t image = 0; image < n; ++image)
    for (std::int64_t top = 0; top < h; top += side)
      for (std::int64_t left = 0; left < w; left += side)
        for (std::int64_t y = top; y < top + side; ++y)
          for (std::int64_t x = left; x < left + side; ++x)
            body(place++, y < h && x < w ? (image * h + y) * w + x : -1);
}

Tensor partition_loops(const Tensor& x, const Tensor& fill, std::int64_t side) {
  const std::int64_t n = x.size(0), h = x.size(1), w = x.size(2), c = x.size(3);
  const std::int64_t count = n * ((h + side - 1) / side) * ((w + side - 1) / side);
  Tensor y = Tensor::empty({count, side * side, c}, x.dtype());
  for_each_place(n, h, w, side, [&](std::int64_t to, std::int64_t from) {
    for (std::int64_t k = 0; k < c; ++k)
      y.mutable_data<double>()[to * c + k] = from >= 0 ? x.at(from * c + k) : fill ? fill.at(k) : 0.0;
  });
  return y;
}

Tensor merge_loops(const Tensor& windows, std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t side) {
  const std::int64_t c = windows.size(2);
  Tensor y = Tensor::empty({n, h, w, c}, windows.dtype());
  for_each_place(n, h, w, side, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t k = 0; to >= 0 && k < c; ++k) y.mutable_data<double>()[to * c + k] = windows.at(from * c + k);
  });
  return y;
}

struct Sizes {
  std::int64_t n, h, w, c, side;
};

const Cases cases("windows", [](CaseList& list) {
  for (const Sizes& s : {Sizes{1, 1, 1, 1, 1}, Sizes{2, 6, 9, 3, 3}, Sizes{2, 5, 7, 5, 3}, Sizes{1, 3, 2, 70, 4},
                         Sizes{3, 1, 5, 2, 2}}) {
    const std::string sizes = concat_text("(", s.n, ", ", s.h, ", ", s.w, ", ", s.c, ") side ", s.side);
    const bool padded = s.h % s.side != 0 || s.w % s.side != 0;
    CaseInput fill = normal("fill", {s.c});
    if (!padded) fill = zero_gradient(fill);
    list.add({.label = "partition " + sizes,
              .inputs = {normal("x", {s.n, s.h, s.w, s.c}), fill},
              .run = [=](Vars v) { return Outs{window_partition(v[0], s.side, v[1])}; },
              .reference = [=](Refs t) { return std::vector{partition_loops(t[0], t[1], s.side)}; },
              .f32_tolerance = 0,
              .f32_grad_tolerance = 1e-6,
              .why = "copies; the gradient of fill is a sum of up to 30 terms"});
    list.add({.label = "partition with zeros " + sizes,
              .inputs = {normal("x", {s.n, s.h, s.w, s.c})},
              .run = [=](Vars v) { return Outs{window_partition(v[0], s.side)}; },
              .reference = [=](Refs t) { return std::vector{partition_loops(t[0], {}, s.side)}; },
              .f32_tolerance = 0,
              .f32_grad_tolerance = 0,
              .why = "copies"});
    const std::int64_t count = s.n * ((s.h + s.side - 1) / s.side) * ((s.w + s.side - 1) / s.side);
    list.add({.label = "merge " + sizes,
              .inputs = {normal("windows", {count, s.side * s.side, s.c})},
              .run = [=](Vars v) { return Outs{window_merge(v[0], s.h, s.w, s.side)}; },
              .reference = [=](Refs t) { return std::vector{merge_loops(t[0], s.n, s.h, s.w, s.side)}; },
              .f32_tolerance = 0,
              .f32_grad_tolerance = 0,
              .why = "copies"});
  }
  list.add({.label = "partition (1, 64, 64, 3840) side 14",
            .inputs = {normal("x", {1, 64, 64, 3840}), normal("fill", {3840})},
            .run = [](Vars v) { return Outs{window_partition(v[0], 14, v[1])}; },
            .bench_only = true,
            .bytes = 4.0 * 3840 * (64 * 64 + 70 * 70)});
});

}  // namespace
