#include "tensor/ops/conv/conv2d.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "autograd/cases/case.h"
#include "autograd/ops/conv/conv.h"
#include "autograd/record.h"
#include "tensor/cpu_features.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tests/ops/keep_isa.h"

using namespace rein;
using namespace rein::testing;

namespace {

struct Setup {
  std::int64_t n, h, w, c, o, kh, kw, stride, padding;
  Shape x() const { return {n, h, w, c}; }
  Shape weight() const { return {o, kh, kw, c}; }
  std::string text() const { return concat_text(x(), " by ", weight(), ", stride ", stride, ", padding ", padding); }
};

// Calls body(y, x, weight) with the flat indices of every product of the convolution.
template <class F>
void for_each_product(const Setup& s, F&& body) {
  const std::int64_t out_h = (s.h + 2 * s.padding - s.kh) / s.stride + 1;
  const std::int64_t out_w = (s.w + 2 * s.padding - s.kw) / s.stride + 1;
  for (std::int64_t y = 0; y < s.n * out_h * out_w * s.o; ++y) {
    const std::int64_t o = y % s.o, j = y / s.o % out_w, i = y / (s.o * out_w) % out_h, n = y / (s.o * out_w * out_h);
    for (std::int64_t ky = 0; ky < s.kh; ++ky)
      for (std::int64_t kx = 0; kx < s.kw; ++kx) {
        const std::int64_t row = i * s.stride + ky - s.padding, col = j * s.stride + kx - s.padding;
        if (row < 0 || row >= s.h || col < 0 || col >= s.w) continue;
        for (std::int64_t c = 0; c < s.c; ++c)
          body(y, ((n * s.h + row) * s.w + col) * s.c + c, ((o * s.kh + ky) * s.kw + kx) * s.c + c);
      }
  }
}

Tensor conv2d_loops(const Setup& s, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Tensor y = Tensor::zeros(
      {s.n, (s.h + 2 * s.padding - s.kh) / s.stride + 1, (s.w + 2 * s.padding - s.kw) / s.stride + 1, s.o}, DType::f64);
  double* out = y.mutable_data<double>();
  for (std::int64_t i = 0; i < y.count(); ++i) out[i] = bias ? bias.at(i % s.o) : 0;
  for_each_product(s, [&](std::int64_t yi, std::int64_t xi, std::int64_t wi) { out[yi] += x.at(xi) * weight.at(wi); });
  return y;
}

const Setup setups[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 0},   {2, 4, 5, 3, 4, 1, 1, 1, 0},   {1, 5, 4, 2, 3, 3, 3, 1, 1},
    {2, 3, 6, 2, 2, 3, 3, 1, 0},   {1, 4, 4, 3, 2, 3, 2, 1, 2},   {1, 7, 6, 2, 3, 3, 3, 2, 1},
    {1, 6, 8, 2, 3, 2, 2, 2, 0},   {2, 5, 7, 1, 2, 2, 3, 3, 1},   {1, 6, 5, 2, 2, 1, 1, 2, 0},
    {1, 3, 3, 33, 2, 3, 3, 1, 1},  {1, 3, 2, 2, 35, 3, 3, 1, 1},  {1, 2, 2, 2, 2, 5, 5, 1, 2},
    {1, 3, 3, 2, 2, 1, 2, 1, 3},   {1, 5, 5, 2, 2, 2, 2, 4, 1},   {1, 3, 4, 32, 33, 3, 3, 1, 1},
    {2, 4, 5, 33, 32, 3, 3, 1, 0}, {1, 2, 1, 32, 32, 3, 3, 1, 2},
};

const Cases cases("conv2d,conv", [](CaseList& list) {
  for (const Setup& s : setups)
    list.add({.label = s.text(),
              .inputs = {normal("x", s.x()), normal("weight", s.weight()), normal("bias", {s.o})},
              .run = [s](Vars v) { return Outs{conv2d(v[0], v[1], v[2], {.stride = s.stride, .padding = s.padding})}; },
              .reference = [s](Refs t) { return std::vector{conv2d_loops(s, t[0], t[1], t[2])}; },
              .f32_tolerance = 2e-6,
              .f32_grad_tolerance = 5e-6,
              .why = "sums of at most 315 products of order one in f32"});
  for (const Setup& s : {Setup{1, 128, 128, 256, 256, 3, 3, 1, 1}, Setup{1, 32, 32, 256, 256, 3, 3, 1, 1},
                         Setup{1, 128, 128, 256, 256, 1, 1, 1, 0}})
    list.add({.label = s.text(),
              .inputs = {normal("x", s.x()), normal("weight", s.weight()), normal("bias", {s.o})},
              .run = [s](Vars v) { return Outs{conv2d(v[0], v[1], v[2], {.stride = s.stride, .padding = s.padding})}; },
              .bench_only = true,
              .flops = 2.0 * static_cast<double>(s.h * s.w * s.o * s.kh * s.kw * s.c),
              .bytes = 4.0 * static_cast<double>(s.h * s.w * (s.c + s.o))});
});

// Forward and all gradients in T against the loops; sizes that gradcheck's differences are too slow for.
template <class T>
void check(const Setup& s, double tolerance) {
  CAPTURE(s.text());
  CAPTURE(isa_name());
  const Tensor x = random_uniform(RandomKey(1), s.x(), -1, 1, dtype_v<T>);
  const Tensor weight = random_uniform(RandomKey(2), s.weight(), -1, 1, dtype_v<T>);
  const Tensor y = ops::conv2d(x, weight, {}, s.stride, s.padding);
  const Tensor grad = random_uniform(RandomKey(3), y.shape(), -1, 1, dtype_v<T>);
  const auto grads = ops::conv2d_backward(grad, x, weight, s.x(), s.weight(), s.stride, s.padding, {});
  Tensor expected = conv2d_loops(s, x, weight, {});
  Tensor grad_x = Tensor::zeros(s.x(), DType::f64), grad_weight = Tensor::zeros(s.weight(), DType::f64);
  Tensor grad_bias = Tensor::zeros({s.o}, DType::f64);
  for_each_product(s, [&](std::int64_t yi, std::int64_t xi, std::int64_t wi) {
    grad_x.mutable_data<double>()[xi] += grad.at(yi) * weight.at(wi);
    grad_weight.mutable_data<double>()[wi] += grad.at(yi) * x.at(xi);
  });
  for (std::int64_t i = 0; i < grad.count(); ++i) grad_bias.mutable_data<double>()[i % s.o] += grad.at(i);
  const auto close = [&](const Tensor& got, const Tensor& want) {
    const Comparison result = compare(got, want, tolerance);
    CHECK_MESSAGE(result.ok, "error ", result.error, " ", result.text);
  };
  close(y, expected);
  close(grads.x, grad_x);
  close(grads.weight, grad_weight);
  close(grads.bias, grad_bias);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

}  // namespace

TEST_CASE("conv2d: values and gradients on every instruction set") {
  const KeepIsa keep;
  for (const std::string& isa : available_isas()) {
    force_isa(isa);
    for (const Setup& s : setups) {
      check<float>(s, 3e-6);
      check<double>(s, 1e-14);
    }
    // Several blocks of depth, in the middle of taps, and more pixels than one block.
    for (const Setup& s :
         {Setup{1, 9, 8, 60, 17, 3, 3, 1, 1}, Setup{2, 21, 13, 5, 9, 3, 3, 1, 1}, Setup{1, 24, 23, 7, 40, 3, 3, 2, 1},
          Setup{1, 16, 24, 3, 50, 8, 8, 8, 0}, Setup{2, 23, 21, 34, 40, 3, 3, 1, 1}}) {
      check<float>(s, 1e-5);
      check<double>(s, 2e-14);
    }
  }
}

// Winograd's products in the place of the direct ones wherever they fit, and the other way round.
TEST_CASE("conv2d: REIN_KERNEL forces direct products or Winograd's") {
  const Setup wide{1, 6, 7, 40, 36, 3, 3, 1, 1};
  const Tensor x = random_normal(RandomKey(1), wide.x(), 0, 1), w = random_normal(RandomKey(2), wide.weight(), 0, 1);
  const Tensor y = ops::conv2d(x, w, {}, 1, 1);
  setenv("REIN_KERNEL", "conv2d:direct", 1);
  check<float>(wide, 3e-6);
  const Tensor direct = ops::conv2d(x, w, {}, 1, 1);
  setenv("REIN_KERNEL", "conv2d:winograd", 1);
  for (const Setup& s : setups) {
    check<float>(s, 3e-6);
    check<double>(s, 1e-14);
  }
  const Tensor winograd = ops::conv2d(x, w, {}, 1, 1);
  unsetenv("REIN_KERNEL");
  CHECK(!same_bits(direct, winograd));  // equal to rounding only
  CHECK(same_bits(y, winograd));
}

TEST_CASE("conv2d: the same bits for any number of threads") {
  const int before = thread_count();
  for (const auto& [stride, out] : {std::pair<std::int64_t, std::int64_t>{1, 30}, {2, 30}, {1, 37}}) {
    const Tensor x = random_normal(RandomKey(1), {2, 17, 15, 40}, 0, 1),
                 w = random_normal(RandomKey(2), {out, 3, 3, 40}, 0, 1);
    set_thread_count(1);
    const Tensor y = ops::conv2d(x, w, {}, stride, 1);
    const auto one = ops::conv2d_backward(y, x, w, x.shape(), w.shape(), stride, 1, {});
    for (const int threads : {2, 3}) {
      set_thread_count(threads);
      CHECK(same_bits(y, ops::conv2d(x, w, {}, stride, 1)));
      const auto more = ops::conv2d_backward(y, x, w, x.shape(), w.shape(), stride, 1, {});
      CHECK(same_bits(one.x, more.x));
      CHECK(same_bits(one.weight, more.weight));
      CHECK(same_bits(one.bias, more.bias));
    }
  }
  set_thread_count(before);
}

TEST_CASE("conv2d: no images, no output channels") {
  const Tensor w = random_normal(RandomKey(2), {4, 3, 3, 2}, 0, 1);
  const Tensor none = Tensor::zeros({0, 5, 5, 2}, DType::f32);
  const Tensor y = ops::conv2d(none, w, {}, 1, 1);
  CHECK(y.shape() == Shape{0, 5, 5, 4});
  const auto grads = ops::conv2d_backward(y, none, w, none.shape(), w.shape(), 1, 1, {});
  CHECK(grads.x.shape() == none.shape());
  for (const double v : grads.weight.to_doubles()) CHECK(v == 0);
  const Tensor x = random_normal(RandomKey(1), {1, 4, 4, 2}, 0, 1);
  CHECK(ops::conv2d(x, Tensor::zeros({0, 3, 3, 2}, DType::f32), {}, 1, 1).shape() == Shape{1, 4, 4, 0});
}

TEST_CASE("conv2d: errors say what came") {
  const Tensor x = Tensor::zeros({1, 4, 5, 2}, DType::f32), w = Tensor::zeros({3, 3, 3, 2}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::conv2d(x, Tensor::zeros({3, 3, 3, 4}, DType::f32), {}, 1, 1),
                       "[conv2d] weight must have shape (O, kh, kw, 2), got (3, 3, 3, 4); x is (1, 4, 5, 2)",
                       std::invalid_argument);
  CHECK_THROWS_AS(ops::conv2d(Tensor::zeros({4, 5, 2}, DType::f32), w, {}, 1, 1), std::invalid_argument);
  CHECK_THROWS_AS(ops::conv2d(x, Tensor::zeros({3, 5, 3, 2}, DType::f32), {}, 1, 0), std::invalid_argument);
  CHECK_THROWS_AS(ops::conv2d(x, w, {}, 0, 1), std::invalid_argument);
  CHECK_THROWS_AS(ops::conv2d(x, w, {}, 1, -1), std::invalid_argument);
  CHECK_THROWS_AS(ops::conv2d(x, Tensor::zeros({3, 3, 3, 2}, DType::f64), {}, 1, 1), std::invalid_argument);
  CHECK_THROWS_AS(ops::conv2d(x, w, Tensor::zeros({4}, DType::f32), 1, 1), std::invalid_argument);
  CHECK_THROWS_AS(ops::conv2d_backward(x, x, w, x.shape(), w.shape(), 1, 1, {}), std::invalid_argument);
}

TEST_CASE("conv2d: a frozen weight keeps no input") {
  const Tensor x = random_normal(RandomKey(1), {1, 4, 5, 2}, 0, 1), w = random_normal(RandomKey(2), {3, 3, 3, 2}, 0, 1);
  const auto saved = [](const Variable& y) {
    std::size_t bytes = 0;
    for (const SavedBytes& s : y.impl()->node->saved_bytes) bytes += s.bytes;
    return bytes;
  };
  CHECK(saved(conv2d(parameter(x), constant(w), {}, {.padding = 1})) == w.bytes());
  CHECK(saved(conv2d(constant(x), parameter(w), {}, {.padding = 1})) == x.bytes());
}
