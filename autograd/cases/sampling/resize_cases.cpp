#include "autograd/cases/case.h"
#include "autograd/ops/sampling/resize.h"
#include "tensor/ops/sampling/resize.h"

namespace {

using namespace rein;
using namespace rein::testing;
using enum ops::Interpolation;

constexpr ops::Interpolation modes[] = {nearest, bilinear, bicubic, bicubic_antialias};

std::string name_of_mode(ops::Interpolation mode) {
  const char* names[] = {"nearest", "bilinear", "bicubic", "bicubic_antialias"};
  return names[static_cast<int>(mode)];
}

const Cases cases("resize", [](CaseList& list) {
  const auto add = [&](const std::string& label, const Shape& x, const ops::ResizeOptions& options) {
    list.add({.label = label + " " + name_of_mode(options.mode) + " " + x.text(),
              .inputs = {normal("x", x)},
              .run = [=](Vars v) { return Outs{resize(v[0], options)}; },
              .reference = [=](Refs t) { return std::vector{ops::resize_reference(t[0], options)}; },
              .f32_tolerance = 1e-6,
              .f32_grad_tolerance = 2e-6,
              .why = "weights of order one rounded to f32, at most 16 x 16 taps"});
  };
  for (const auto mode : modes) {
    add("x4", {1, 3, 4, 2}, ops::to_size(12, 16, mode));
    add("to 7 x 3", {2, 5, 4, 1}, ops::to_size(7, 3, mode));
    add("to 3 x 3", {1, 9, 13, 3}, ops::to_size(3, 3, mode));
    add("same size", {1, 4, 5, 2}, ops::to_size(4, 5, mode));
    add("one pixel", {1, 1, 1, 3}, ops::to_size(3, 2, mode));
    add("one row", {2, 1, 6, 3}, ops::to_size(2, 9, mode));
    add("to one pixel", {1, 5, 7, 2}, ops::to_size(1, 1, mode));
    add("factor 0.5 of odd sizes", {1, 7, 9, 3}, ops::by_factor(7, 9, 0.5, 0.5, mode));
    add("factor 2.1", {1, 5, 6, 2}, ops::by_factor(5, 6, 2.1, 1.7, mode));
    add("position grid", {1, 6, 6, 4}, ops::by_factor(6, 6, 8.1 / 6, 5.1 / 6, mode));
    for (const std::int64_t channels : {19, 31, 32, 33, 65, 130}) {
      add("x2", {1, 2, 3, channels}, ops::to_size(4, 6, mode));
      add("half", {1, 4, 6, channels}, ops::to_size(2, 3, mode));
    }
    if (mode != bilinear && mode != bicubic) continue;
    for (const std::int64_t size : {1, 3, 9}) {
      auto options = ops::to_size(size, size + 1, mode);
      options.align_corners = true;
      add("align_corners to " + std::to_string(size), {2, 4, 3, 2}, options);
    }
  }
  const auto bench = [&](const Shape& x, const ops::ResizeOptions& options) {
    const double out = static_cast<double>(x[0] * options.height * options.width * x[3]);
    list.add({.label = name_of_mode(options.mode) + " " + x.text() + " to " + std::to_string(options.height),
              .inputs = {normal("x", x)},
              .run = [=](Vars v) { return Outs{resize(v[0], options)}; },
              .bench_only = true,
              .flops = 4 * out,
              .bytes = 4 * (out + static_cast<double>(x.count()))});
  };
  bench({1, 32, 32, 256}, ops::to_size(128, 128));
  bench({4, 32, 32, 256}, ops::to_size(128, 128));
  bench({1, 64, 64, 128}, ops::to_size(256, 256));
  bench({1, 128, 128, 19}, ops::to_size(512, 512));
  bench({1, 37, 37, 1024}, ops::to_size(32, 32, bicubic));
});

}  // namespace
