// Products with bf16 operands: against the f64 product of the rounded operands, against plain f32 gemm on them, on
// every instruction set, with and without the processor's dot product, and as the linear layer of a frozen weight.
#include "tensor/ops/matmul/gemm_bf16.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "autograd/ops/matmul/matmul.h"
#include "tensor/cpu_features.h"
#include "tensor/ops/elementwise/cast.h"
#include "tensor/ops/matmul/gemm.h"
#include "tensor/ops/matmul/linear.h"
#include "tensor/random.h"
#include "tests/ops/keep_isa.h"
#include "tests/ops/same_bits.h"

using namespace rein;
using namespace rein::testing;

namespace {

Tensor numbers(const Shape& shape, std::uint64_t seed, DType dtype = DType::f32) {
  return ops::cast(random_uniform(RandomKey(seed), shape, -1, 1, DType::f32), dtype);
}

// What bf16 keeps of x, as f64.
Tensor kept(const Tensor& x) {
  return ops::cast(ops::cast(x, DType::bf16), DType::f64);
}

Tensor product(const Tensor& a, const Tensor& b, bool trans_b, const Tensor& bias) {
  const Tensor c =
      Tensor::full({a.size(0), b.size(trans_b ? 0 : 1)}, std::numeric_limits<double>::quiet_NaN(), a.dtype());
  ops::gemm_bf16(rows_of(a), false, rows_of(b), trans_b, rows_of(c), bias);
  return c;
}

double worst_difference(const Tensor& a, const Tensor& b) {
  double worst = 0;
  for (std::int64_t i = 0; i < a.count(); ++i) {
    const double d = std::abs(a.at(i) - b.at(i));
    if (!(d <= worst)) worst = std::isnan(d) ? 1e30 : d;
  }
  return worst;
}

struct Forced {  // REIN_KERNEL for a scope
  explicit Forced(const char* value) { setenv("REIN_KERNEL", value, 1); }
  ~Forced() { unsetenv("REIN_KERNEL"); }
};

}  // namespace

TEST_CASE("bf16 products: the exact product of the rounded operands, at sizes around the tiles, on every ISA") {
  const KeepIsa keep;
  for (const std::string& isa : available_isas()) {
    force_isa(isa);
    for (const bool trans_b : {false, true})
      for (const std::int64_t m : {1, 2, 5, 12, 13, 49})
        for (const std::int64_t n : {1, 15, 33, 97, 200})
          for (const std::int64_t k : {1, 2, 7, 64, 769, 1538}) {
            CAPTURE(isa);
            CAPTURE(m);
            CAPTURE(n);
            CAPTURE(k);
            const Tensor a = numbers({m, k}, 1), b = numbers(trans_b ? Shape{n, k} : Shape{k, n}, 2, DType::bf16);
            const Tensor bias = k % 2 == 0 ? numbers({n}, 3) : Tensor();
            Tensor exact = ops::matmul(kept(a), ops::cast(b, DType::f64), false, trans_b);
            if (bias)
              for (std::int64_t i = 0; i < exact.count(); ++i) exact.mutable_data<double>()[i] += bias.at(i % n);
            const double error = worst_difference(product(a, b, trans_b, bias), exact);
            CHECK(error <= 6e-8 * 8 * std::sqrt(static_cast<double>(k + 1)) * std::max(1.0, std::sqrt(k / 9.0)));
          }
  }
}

TEST_CASE("bf16 products: the same bits for any number of threads, and from shifts as from the dot product") {
  const Tensor a = numbers({130, 1026}, 1), b = numbers({390, 1026}, 2, DType::bf16), bias = numbers({390}, 3);
  const Tensor dot = product(a, b, true, bias);
  check_same_bits_for_any_threads([&] { return std::vector{product(a, b, true, bias)}; });
  const Forced shifts("gemm_bf16:shifts");
  CHECK(same_bits(product(a, b, true, bias), dot));
  const KeepIsa keep;
  for (const std::string& isa : available_isas()) {
    if (isa == "plain") continue;  // one lane, without fused multiply-adds
    force_isa(isa);
    CHECK(same_bits(product(a, b, true, bias), dot));
  }
}

TEST_CASE("bf16 products round ties to even, and keep infinities and NaN") {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  // 1 + 2^-8 lies between 1 and 1 + 2^-7: to 1 (even). 1 + 3 2^-8 lies between 1 + 2^-7 and 1 + 2^-6: to 1 + 2^-6.
  const Tensor a =
      Tensor::from(std::vector<float>{1 + 0x1p-8f, 1 + 3 * 0x1p-8f, -(1 + 0x1p-8f), inf, nan, 3.4e38f}, Shape{6, 1});
  const Tensor c = product(a, Tensor::full({1, 1}, 1, DType::bf16), true, {});
  CHECK(c.at(0) == 1.0);
  CHECK(c.at(1) == 1 + 0x1p-6);
  CHECK(c.at(2) == -1.0);
  CHECK(std::isinf(c.at(3)));
  CHECK(std::isnan(c.at(4)));
  CHECK(std::isinf(c.at(5)));  // above the largest bf16
}

TEST_CASE("bf16 products: rows inside wider memory, and nothing beside them touched") {
  const Tensor a = numbers({7, 40}, 1), b = numbers({9, 30}, 2, DType::bf16), c = Tensor::full({7, 20}, 5, DType::f32);
  ops::gemm_bf16(rows_of(a, {}, {3, 24}), false, rows_of(b, {}, {4, 25}), true, rows_of(c, {}, {6, 15}));
  const Tensor exact = Tensor::full({7, 20}, 5, DType::f64);
  const Tensor wide_a = kept(a), wide_b = ops::cast(b, DType::f64);
  ops::gemm(rows_of(wide_a, {}, {3, 24}), false, rows_of(wide_b, {}, {4, 25}), true, rows_of(exact, {}, {6, 15}),
            ops::Write::overwrite);
  CHECK(worst_difference(c, exact) < 1e-5);
}

TEST_CASE("a frozen bf16 weight: linear forward and grad_x are those of the rounded operands") {
  const Tensor x = numbers({2, 3, 5, 66}, 1), w = numbers({34, 66}, 2, DType::bf16), bias = numbers({34}, 3);
  const Tensor y = ops::linear(x, w, bias);
  const Tensor wide = ops::cast(w, DType::f64);
  CHECK(y.dtype() == DType::f32);
  CHECK(worst_difference(y, ops::linear(kept(x), wide, ops::cast(bias, DType::f64))) < 1e-5);

  Variable leaf = parameter(x);
  const Variable out = linear(leaf, constant(w), constant(bias));
  const Tensor g = numbers(y.shape(), 4);
  backward(out, g);
  CHECK(worst_difference(leaf.grad(), ops::linear_backward(kept(g), {}, wide, {true, false, false}).x) < 1e-5);
}

TEST_CASE("bf16 products say what does not fit") {
  const Tensor a = numbers({2, 3}, 1), b = numbers({4, 3}, 2, DType::bf16), c = numbers({2, 4}, 3);
  CHECK_THROWS_WITH_AS(ops::gemm_bf16(rows_of(a), false, rows_of(a), true, rows_of(c)), doctest::Contains("(M, K)"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::gemm_bf16(rows_of(a), false, rows_of(numbers({4, 3}, 1)), true, rows_of(c)),
                       doctest::Contains("b bf16"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::gemm_bf16(rows_of(a), false, rows_of(b), true, rows_of(c), numbers({3}, 1)),
                       doctest::Contains("bias must have shape (4)"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::gemm_bf16(rows_of(a), false, rows_of(b), true, rows_of(ops::cast(c, DType::bf16))),
                       doctest::Contains("on CUDA only"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::linear(ops::cast(a, DType::f64), b, {}), doctest::Contains("one dtype (or f32 and bf16)"),
                       std::invalid_argument);
}
