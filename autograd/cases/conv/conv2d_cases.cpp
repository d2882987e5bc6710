#include "autograd/cases/conv/conv2d_cases.h"

#include "autograd/cases/case.h"
#include "autograd/ops/conv/conv.h"
#include "tensor/ops/conv/conv2d.h"
#include "tensor/random.h"

namespace {

using namespace rein;
using namespace rein::testing;

const ConvSetup setups[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 0},   {2, 4, 5, 3, 4, 1, 1, 1, 0},   {1, 5, 4, 2, 3, 3, 3, 1, 1},
    {2, 3, 6, 2, 2, 3, 3, 1, 0},   {1, 4, 4, 3, 2, 3, 2, 1, 2},   {1, 7, 6, 2, 3, 3, 3, 2, 1},
    {1, 6, 8, 2, 3, 2, 2, 2, 0},   {2, 5, 7, 1, 2, 2, 3, 3, 1},   {1, 6, 5, 2, 2, 1, 1, 2, 0},
    {1, 3, 3, 33, 2, 3, 3, 1, 1},  {1, 3, 2, 2, 35, 3, 3, 1, 1},  {1, 2, 2, 2, 2, 5, 5, 1, 2},
    {1, 3, 3, 2, 2, 1, 2, 1, 3},   {1, 5, 5, 2, 2, 2, 2, 4, 1},   {1, 3, 4, 32, 33, 3, 3, 1, 1},
    {2, 4, 5, 33, 32, 3, 3, 1, 0}, {1, 2, 1, 32, 32, 3, 3, 1, 2},
};

}  // namespace

namespace rein::testing {

Tensor conv2d_loops(const ConvSetup& s, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Tensor y = Tensor::zeros(
      {s.n, (s.h + 2 * s.padding - s.kh) / s.stride + 1, (s.w + 2 * s.padding - s.kw) / s.stride + 1, s.o}, DType::f64);
  double* out = y.mutable_data<double>();
  for (std::int64_t i = 0; i < y.count(); ++i) out[i] = bias ? bias.at(i % s.o) : 0;
  for_each_product(s, [&](std::int64_t yi, std::int64_t xi, std::int64_t wi) { out[yi] += x.at(xi) * weight.at(wi); });
  return y;
}

std::span<const ConvSetup> conv_setups() {
  return setups;
}

}  // namespace rein::testing

namespace {

const Cases cases("conv2d,conv", [](CaseList& list) {
  for (const ConvSetup& s : setups)
    list.add({.label = s.text(),
              .inputs = {normal("x", s.x()), normal("weight", s.weight()), normal("bias", {s.o})},
              .run = [s](Vars v) { return Outs{conv2d(v[0], v[1], v[2], {.stride = s.stride, .padding = s.padding})}; },
              .reference = [s](Refs t) { return std::vector{conv2d_loops(s, t[0], t[1], t[2])}; },
              .f32_tolerance = 2e-6,
              .f32_grad_tolerance = 5e-6,
              .why = "sums of at most 315 products of order one in f32"});
  for (const ConvSetup& s : {ConvSetup{1, 128, 128, 256, 256, 3, 3, 1, 1}, ConvSetup{1, 32, 32, 256, 256, 3, 3, 1, 1},
                             ConvSetup{1, 128, 128, 256, 256, 1, 1, 1, 0}})
    list.add({.label = s.text(),
              .inputs = {normal("x", s.x()), normal("weight", s.weight()), normal("bias", {s.o})},
              .run = [s](Vars v) { return Outs{conv2d(v[0], v[1], v[2], {.stride = s.stride, .padding = s.padding})}; },
              .bench_only = true,
              .flops = 2.0 * static_cast<double>(s.h * s.w * s.o * s.kh * s.kw * s.c),
              .bytes = 4.0 * static_cast<double>(s.h * s.w * (s.c + s.o))});
});

}  // namespace
