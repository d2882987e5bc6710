#include "tensor/ops/matmul/linear.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>

#include "autograd/cases/case.h"
#include "autograd/ops/matmul/matmul.h"
#include "autograd/record.h"
#include "tensor/cpu_features.h"
#include "tensor/error.h"
#include "tensor/ops/matmul/gemm.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tests/ops/keep_isa.h"

namespace {

using namespace rein;
using namespace rein::testing;

template <class T>
Tensor numbers(const Shape& shape, std::uint64_t seed) {
  return random_uniform(RandomKey(seed), shape, -1, 1, dtype_v<T>);
}

template <class T>
void check(std::int64_t rows, std::int64_t k, std::int64_t n, double tolerance) {
  const Tensor x = numbers<T>({2, rows, k}, 1), weight = numbers<T>({n, k}, 2), bias = numbers<T>({n}, 3);
  const Tensor grad = numbers<T>({2, rows, n}, 4);
  const Tensor y = ops::linear(x, weight, bias), bare = ops::linear(x, weight, {});
  const ops::LinearGrads grads = ops::linear_backward(grad, x, weight, {});
  REQUIRE(y.shape() == Shape{2, rows, n});
  REQUIRE(grads.x.shape() == x.shape());
  REQUIRE(grads.weight.shape() == weight.shape());
  REQUIRE(grads.bias.shape() == bias.shape());
  double worst = 0;
  const auto see = [&](double got, double expected) {
    const double error = std::abs(got - expected);
    if (!(error <= worst)) worst = error;
  };
  std::vector<double> gw(static_cast<std::size_t>(n * k)), gb(static_cast<std::size_t>(n));
  for (std::int64_t r = 0; r < 2 * rows; ++r) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t i = 0; i < k; ++i) {
        sum += x.at(r * k + i) * weight.at(j * k + i);
        gw[static_cast<std::size_t>(j * k + i)] += grad.at(r * n + j) * x.at(r * k + i);
      }
      gb[static_cast<std::size_t>(j)] += grad.at(r * n + j);
      see(bare.at(r * n + j), sum);
      see(y.at(r * n + j), sum + bias.at(j));
    }
    for (std::int64_t i = 0; i < k; ++i) {
      double sum = 0;
      for (std::int64_t j = 0; j < n; ++j) sum += grad.at(r * n + j) * weight.at(j * k + i);
      see(grads.x.at(r * k + i), sum);
    }
  }
  for (std::int64_t i = 0; i < n * k; ++i) see(grads.weight.at(i), gw[static_cast<std::size_t>(i)]);
  for (std::int64_t i = 0; i < n; ++i) see(grads.bias.at(i), gb[static_cast<std::size_t>(i)]);
  CAPTURE(rows);
  CAPTURE(k);
  CAPTURE(n);
  CAPTURE(isa_name());
  CHECK(worst <= tolerance);
}

TEST_CASE("linear: values and gradients against plain loops") {
  const KeepIsa keep;
  for (const std::string& isa : available_isas()) {
    force_isa(isa);
    for (const auto& [rows, k, n] : {std::array{1, 1, 1}, std::array{33, 31, 32}, std::array{7, 16, 100},
                                     std::array{129, 40, 19}, std::array{3, 400, 5}}) {
      // Sums of up to 400 products below one: errors of some hundred roundings of 6e-8 (1.1e-16).
      check<float>(rows, k, n, 4e-5);
      check<double>(rows, k, n, 1e-13);
    }
  }
}

TEST_CASE("linear: empty sizes") {
  const Tensor y = ops::linear(numbers<float>({0, 4}, 1), numbers<float>({3, 4}, 2), {});
  CHECK(y.shape() == Shape{0, 3});
  const ops::LinearGrads grads = ops::linear_backward(y, numbers<float>({0, 4}, 1), numbers<float>({3, 4}, 2), {});
  for (double v : grads.weight.to_doubles()) CHECK(v == 0);
  for (double v : grads.bias.to_doubles()) CHECK(v == 0);
}

TEST_CASE("linear_backward: only what is wanted, from only what it needs") {
  const Tensor x = numbers<float>({3, 4}, 1), weight = numbers<float>({5, 4}, 2), grad = numbers<float>({3, 5}, 3);
  const ops::LinearGrads all = ops::linear_backward(grad, x, weight, {});
  const ops::LinearGrads only_x = ops::linear_backward(grad, {}, weight, {.x = true, .weight = false, .bias = false});
  CHECK(only_x.x.to_doubles() == all.x.to_doubles());
  CHECK_FALSE(only_x.weight);
  CHECK_FALSE(only_x.bias);
  const ops::LinearGrads only_w = ops::linear_backward(grad, x, {}, {.x = false, .weight = true, .bias = true});
  CHECK_FALSE(only_w.x);
  CHECK(only_w.weight.to_doubles() == all.weight.to_doubles());
  CHECK(only_w.bias.to_doubles() == all.bias.to_doubles());
}

TEST_CASE("linear: the same gradient bits for any number of threads") {
  const int before = thread_count();
  const Tensor x = numbers<float>({1000, 70}, 1), weight = numbers<float>({600, 70}, 2),
               grad = numbers<float>({1000, 600}, 3);
  set_thread_count(1);
  const ops::LinearGrads one = ops::linear_backward(grad, x, weight, {});
  for (int threads : {2, 3}) {
    set_thread_count(threads);
    const ops::LinearGrads more = ops::linear_backward(grad, x, weight, {});
    CHECK(std::memcmp(one.x.raw(), more.x.raw(), one.x.bytes()) == 0);
    CHECK(std::memcmp(one.weight.raw(), more.weight.raw(), one.weight.bytes()) == 0);
    CHECK(std::memcmp(one.bias.raw(), more.bias.raw(), one.bias.bytes()) == 0);
  }
  set_thread_count(before);
}

TEST_CASE("linear: errors say what came") {
  const Tensor x = numbers<float>({2, 3, 4}, 1);
  CHECK_THROWS_WITH_AS(ops::linear(x, numbers<float>({5, 3}, 2), {}),
                       "[linear] weight must have shape (N, 4), got (5, 3); x is (2, 3, 4)", std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::linear(x, numbers<float>({5, 4}, 2), numbers<float>({4}, 2)),
                       "[linear] bias must have shape (5) f32, got (4) f32; x is (2, 3, 4)", std::invalid_argument);
  CHECK_THROWS_AS(ops::linear(x, numbers<double>({5, 4}, 2), {}), std::invalid_argument);
  CHECK_THROWS_AS(ops::linear({}, numbers<float>({5, 4}, 2), {}), std::invalid_argument);
  const Tensor grad = numbers<float>({2, 3, 5}, 1);
  CHECK_THROWS_AS(ops::linear_backward(grad, numbers<float>({2, 2, 4}, 1), numbers<float>({5, 4}, 2), {}),
                  std::invalid_argument);
  CHECK_THROWS_AS(ops::linear_backward(grad, x, numbers<float>({4, 5}, 2), {}), std::invalid_argument);
  CHECK_THROWS_AS(ops::linear_backward(grad, {}, numbers<float>({5, 4}, 2), {}), std::invalid_argument);
}

TEST_CASE("linear: saves only what the wanted gradients need") {
  const Tensor x = numbers<float>({6, 4}, 1), weight = numbers<float>({5, 4}, 2);
  const auto saved = [](const Variable& y) {
    std::size_t bytes = 0;
    for (const SavedBytes& s : y.impl()->node->saved_bytes) bytes += s.bytes;
    return bytes;
  };
  CHECK(saved(linear(parameter(x), constant(weight))) == weight.bytes());  // a frozen weight keeps no input
  CHECK(saved(linear(constant(x), parameter(weight))) == x.bytes());
  CHECK(saved(linear(parameter(x), parameter(weight))) == x.bytes() + weight.bytes());
  CHECK(saved(linear(constant(x), constant(weight), parameter(numbers<float>({5}, 3)))) == 0);
  CHECK(linear(constant(x), constant(weight)).impl()->node == nullptr);
}

}  // namespace
