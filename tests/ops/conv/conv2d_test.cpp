#include "tensor/ops/conv/conv2d.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "autograd/cases/case.h"
#include "autograd/cases/conv/conv2d_cases.h"
#include "autograd/ops/conv/conv.h"
#include "autograd/record.h"
#include "tensor/cpu_features.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tests/ops/keep_isa.h"

namespace {

using namespace rein;
using namespace rein::testing;

// Forward and all gradients in T against the loops; sizes that gradcheck's differences are too slow for.
template <class T>
void check(const ConvSetup& s, double tolerance) {
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

TEST_CASE("conv2d: values and gradients on every instruction set") {
  const KeepIsa keep;
  for (const std::string& isa : available_isas()) {
    force_isa(isa);
    for (const ConvSetup& s : conv_setups()) {
      check<float>(s, 3e-6);
      check<double>(s, 1e-14);
    }
    // Several blocks of depth, in the middle of taps, and more pixels than one block.
    for (const ConvSetup& s : {ConvSetup{1, 9, 8, 60, 17, 3, 3, 1, 1}, ConvSetup{2, 21, 13, 5, 9, 3, 3, 1, 1},
                               ConvSetup{1, 24, 23, 7, 40, 3, 3, 2, 1}, ConvSetup{1, 16, 24, 3, 50, 8, 8, 8, 0},
                               ConvSetup{2, 23, 21, 34, 40, 3, 3, 1, 1}}) {
      check<float>(s, 1e-5);
      check<double>(s, 2e-14);
    }
  }
}

// Winograd's products in the place of the direct ones wherever they fit, and the other way round.
TEST_CASE("conv2d: REIN_KERNEL forces direct products or Winograd's") {
  const ConvSetup wide{1, 6, 7, 40, 36, 3, 3, 1, 1};
  const Tensor x = random_normal(RandomKey(1), wide.x(), 0, 1), w = random_normal(RandomKey(2), wide.weight(), 0, 1);
  const Tensor y = ops::conv2d(x, w, {}, 1, 1);
  setenv("REIN_KERNEL", "conv2d:direct", 1);
  check<float>(wide, 3e-6);
  const Tensor direct = ops::conv2d(x, w, {}, 1, 1);
  setenv("REIN_KERNEL", "conv2d:winograd", 1);
  for (const ConvSetup& s : conv_setups()) {
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

}  // namespace
