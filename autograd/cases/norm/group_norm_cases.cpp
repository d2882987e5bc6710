#include "autograd/cases/norm/group_norm_cases.h"

#include <cmath>

#include "autograd/cases/case.h"
#include "autograd/ops/norm/norm.h"
#include "tensor/ops/norm/group_norm.h"

namespace rein::testing {

Tensor group_norm_loops(const Tensor& x, const Tensor& weight, const Tensor& bias, std::int64_t groups, double eps) {
  const std::int64_t channels = x.size(-1), pixels = x.count() / (x.size(0) * channels), width = channels / groups;
  Tensor y = Tensor::empty_like(x);
  for (std::int64_t n = 0; n < x.size(0); ++n)
    for (std::int64_t g = 0; g < groups; ++g) {
      const auto at = [&](std::int64_t p, std::int64_t c) { return (n * pixels + p) * channels + g * width + c; };
      const double elements = static_cast<double>(pixels * width);
      double mean = 0, variance = 0;
      for (std::int64_t p = 0; p < pixels; ++p)
        for (std::int64_t c = 0; c < width; ++c) mean += x.at(at(p, c)) / elements;
      for (std::int64_t p = 0; p < pixels; ++p)
        for (std::int64_t c = 0; c < width; ++c) variance += std::pow(x.at(at(p, c)) - mean, 2) / elements;
      for (std::int64_t p = 0; p < pixels; ++p)
        for (std::int64_t c = 0; c < width; ++c) {
          y.mutable_data<double>()[at(p, c)] =
              (x.at(at(p, c)) - mean) / std::sqrt(variance + eps) * weight.at(g * width + c) + bias.at(g * width + c);
        }
    }
  return y;
}

}  // namespace rein::testing

namespace {

using namespace rein;
using namespace rein::testing;

const Cases cases("group_norm", [](CaseList& list) {
  struct Sizes {
    Shape x;
    std::int64_t groups;
  };
  // One pixel, one channel per group, one group, widths around vectors, H != W, more than one chunk of pixels.
  for (const auto& [x, groups] :
       {Sizes{{1, 1, 1, 4}, 2}, Sizes{{2, 3, 2, 4}, 4}, Sizes{{1, 3, 5, 6}, 2}, Sizes{{3, 1, 4, 31}, 1},
        Sizes{{1, 2, 3, 32}, 8}, Sizes{{2, 3, 2, 33}, 3}, Sizes{{1, 2, 2, 130}, 10}, Sizes{{1, 1, 3, 9000}, 2}}) {
    const Shape c{x[-1]};
    list.add({.label = x.text() + " in " + std::to_string(groups) + " groups",
              .inputs = {normal("x", x, 0.5, 2), uniform("weight", c, 0.5, 1.5), normal("bias", c)},
              .run = [groups = groups](Vars v) { return Outs{group_norm(v[0], v[1], v[2], groups, 0.1)}; },
              .reference =
                  [groups = groups](Refs t) { return std::vector{group_norm_loops(t[0], t[1], t[2], groups, 0.1)}; },
              .f32_tolerance = 2e-6,
              .f32_grad_tolerance = 1e-5,
              .why = "sums of order one in f32, chunks in double"});
  }
  for (const Shape& x : {Shape{1, 128, 128, 256}, Shape{4, 128, 128, 128}}) {
    const Shape c{x[-1]};
    list.add({.label = x.text(),
              .inputs = {normal("x", x), uniform("weight", c, 0.5, 1.5), normal("bias", c)},
              .run = [](Vars v) { return Outs{group_norm(v[0], v[1], v[2], 32, 1e-5)}; },
              .bench_only = true,
              .flops = 8.0 * static_cast<double>(x.count()),
              .bytes = 8.0 * static_cast<double>(x.count())});
  }
});

}  // namespace
