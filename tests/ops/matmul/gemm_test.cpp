// The matrix product against a triple loop in f64: sizes around the register tiles, all transposes, pitches, batches,
// every instruction set of this machine, and the same bits for any number of threads.
#include "tensor/ops/matmul/gemm.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "autograd/cases/case.h"
#include "autograd/ops/matmul/matmul.h"
#include "tensor/cpu_features.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tensor/peak.h"
#include "tensor/random.h"
#include "tests/ops/keep_isa.h"

namespace {

using namespace rein;
using namespace rein::testing;

template <class T>
Tensor numbers(const Shape& shape, std::uint64_t seed) {
  return random_uniform(RandomKey(seed), shape, -1, 1, dtype_v<T>);
}

struct Product {
  std::int64_t m, n, k;
  bool trans_a = false, trans_b = false, bias = false, add = false;
  std::int64_t batches = 1, pad = 0;  // pad: extra columns in every operand's memory
  bool share_b = false;
  double alpha = 1;
};

// A (batches, rows, cols) block in the middle of wider memory.
template <class T>
Rows block(std::int64_t batches, std::int64_t rows, std::int64_t cols, std::int64_t pad, std::uint64_t seed) {
  const Tensor memory = numbers<T>({batches, rows, cols + 2 * pad}, seed);
  return rows_of(memory, {}, {pad, pad + cols});
}

template <class T>
double at(const Rows& x, std::int64_t batch, std::int64_t row, std::int64_t col) {
  return x.data<T>()[(x.batches == 1 ? 0 : batch) * x.batch_pitch + row * x.row_pitch + col];
}

template <class T>
void check(const Product& p) {
  CAPTURE(p.m);
  CAPTURE(p.n);
  CAPTURE(p.k);
  CAPTURE(p.trans_a);
  CAPTURE(p.trans_b);
  CAPTURE(p.batches);
  CAPTURE(p.pad);
  CAPTURE(isa_name());
  const Rows a = block<T>(p.batches, p.trans_a ? p.k : p.m, p.trans_a ? p.m : p.k, p.pad, 1);
  const Rows b = block<T>(p.share_b ? 1 : p.batches, p.trans_b ? p.n : p.k, p.trans_b ? p.k : p.n, p.pad, 2);
  Rows c = block<T>(p.batches, p.m, p.n, p.pad, 3);
  if (!p.add) {  // what is overwritten must not be read
    for (std::int64_t i = 0; i < p.batches; ++i)
      for (std::int64_t r = 0; r < p.m; ++r)
        for (std::int64_t col = 0; col < p.n; ++col)
          c.mutable_data<T>()[i * c.batch_pitch + r * c.row_pitch + col] = std::numeric_limits<T>::quiet_NaN();
  }
  const Tensor before = c.tensor.clone();
  const Tensor bias = p.bias ? numbers<T>({p.n}, 4) : Tensor();
  ops::gemm(a, p.trans_a, b, p.trans_b, c, p.add ? ops::Write::add : ops::Write::overwrite, bias, p.alpha);

  double worst = 0, scale = 1;
  for (std::int64_t i = 0; i < p.batches; ++i)
    for (std::int64_t r = 0; r < p.m; ++r)
      for (std::int64_t col = 0; col < p.n; ++col) {
        double sum = 0;
        for (std::int64_t k = 0; k < p.k; ++k)
          sum +=
              at<T>(a, i, p.trans_a ? k : r, p.trans_a ? r : k) * at<T>(b, i, p.trans_b ? col : k, p.trans_b ? k : col);
        sum *= p.alpha;
        if (p.bias) sum += bias.at(col);
        const std::int64_t place = c.start + i * c.batch_pitch + r * c.row_pitch + col;
        if (p.add) sum += before.at(place);
        const double error = std::abs(c.tensor.at(place) - sum);
        if (!(error <= worst)) worst = std::isnan(error) ? 1e30 : error;
        scale = std::max(scale, std::abs(sum));
      }
  // Rounding of k products, each below 1, grows like sqrt(k).
  const double unit = sizeof(T) == 4 ? 6e-8 : 1.2e-16;
  CHECK(worst <= 8 * unit * scale * std::sqrt(static_cast<double>(p.k + 1)));
  // Nothing beside the block was touched.
  bool same = true;
  for (std::int64_t i = 0; i < p.batches * p.m; ++i)
    for (std::int64_t x = 0; x < p.n + 2 * p.pad; ++x)
      if ((x < p.pad || x >= p.pad + p.n) &&
          c.tensor.at(i * (p.n + 2 * p.pad) + x) != before.at(i * (p.n + 2 * p.pad) + x))
        same = false;
  CHECK(same);
}

void check_both(const Product& p) {
  check<float>(p);
  check<double>(p);
}

template <class F>
void with_every_isa(F&& f) {
  const KeepIsa keep;
  for (const std::string& isa : available_isas()) {
    force_isa(isa);
    f();
  }
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

TEST_CASE("gemm: sizes around the tiles, all transposes") {
  with_every_isa([] {
    for (std::int64_t m : {1, 5, 31, 32, 33, 50})
      for (std::int64_t n : {1, 31, 32, 33, 72, 100})
        for (std::int64_t k : {1, 7, 33}) {
          const int form = static_cast<int>((m * 7 + n * 3 + k) % 4);
          check_both({.m = m,
                      .n = n,
                      .k = k,
                      .trans_a = form % 2 == 1,
                      .trans_b = form / 2 == 1,
                      .bias = k == 7,
                      .pad = m % 2});
        }
    for (int form = 0; form < 4; ++form)
      check_both(
          {.m = 61, .n = 77, .k = 45, .trans_a = form % 2 == 1, .trans_b = form / 2 == 1, .bias = true, .pad = 3});
  });
}

TEST_CASE("gemm: every height and width of an edge tile") {
  with_every_isa([] {
    for (std::int64_t m = 1; m <= 13; ++m) check_both({.m = m, .n = 35, .k = 9, .bias = true});
    for (std::int64_t n = 1; n <= 50; ++n) check_both({.m = 13, .n = n, .k = 9, .bias = true, .add = true});
  });
}

TEST_CASE("gemm: depth beyond one block, columns beyond one part") {
  with_every_isa([] {
    check_both({.m = 13, .n = 40, .k = 1025, .trans_b = true, .bias = true});
    check_both({.m = 13, .n = 40, .k = 769, .trans_a = true, .add = true});
    check<float>({.m = 3, .n = 4100, .k = 5, .bias = true});
    check<float>({.m = 200, .n = 130, .k = 390, .trans_a = true, .trans_b = true});
  });
}

TEST_CASE("gemm: several packed parts of B") {
  check<float>({.m = 9, .n = 2000, .k = 3000, .bias = true});
}

TEST_CASE("gemm: add, alpha and bias together") {
  with_every_isa([] {
    check_both({.m = 30, .n = 50, .k = 400, .bias = true, .add = true, .pad = 5, .alpha = -0.5});
    check_both({.m = 30, .n = 50, .k = 20, .alpha = 0.125});
  });
}

TEST_CASE("gemm: empty M, N and K") {
  check_both({.m = 0, .n = 5, .k = 4});
  check_both({.m = 5, .n = 0, .k = 4});
  check_both({.m = 0, .n = 5, .k = 4, .batches = 3});
  check_both({.m = 5, .n = 6, .k = 0, .bias = true, .batches = 3});
  check_both({.m = 5, .n = 37, .k = 0});
  check_both({.m = 5, .n = 37, .k = 0, .bias = true});
  check_both({.m = 5, .n = 37, .k = 0, .add = true});
}

TEST_CASE("gemm: batches, own and shared operands") {
  for (std::int64_t batches : {2, 3, 7}) {
    check_both({.m = 17, .n = 33, .k = 20, .bias = true, .batches = batches});
    check_both({.m = 17, .n = 33, .k = 20, .trans_a = true, .trans_b = true, .batches = batches, .pad = 4});
    check_both({.m = 17, .n = 33, .k = 20, .batches = batches, .share_b = true});
    check_both(
        {.m = 17, .n = 33, .k = 20, .trans_a = true, .add = true, .batches = batches, .pad = 1, .share_b = true});
  }
  const Tensor a = numbers<double>({2, 3, 4}, 1), b = numbers<double>({4, 5}, 2);
  Rows shared = rows_of(b);
  shared.batches = 2;
  shared.batch_pitch = 0;
  const Tensor c = Tensor::empty({2, 3, 5}, DType::f64);
  ops::gemm(rows_of(a), false, shared, false, rows_of(c), ops::Write::overwrite);
  CHECK(same_bits(c, ops::matmul(a, b)));
}

TEST_CASE("gemm: the same bits for any number of threads") {
  const int before = thread_count();
  with_every_isa([] {
    for (const auto& [m, n, k] : {std::array{200, 300, 800}, std::array{13, 700, 400}, std::array{500, 16, 900}}) {
      const Tensor a = numbers<float>({m, k}, 5), b = numbers<float>({n, k}, 6);
      set_thread_count(1);
      const Tensor one = ops::matmul(a, b, false, true);
      for (int threads : {2, 3}) {
        set_thread_count(threads);
        CHECK(same_bits(one, ops::matmul(a, b, false, true)));
      }
    }
  });
  set_thread_count(before);
}

TEST_CASE("gemm: a row's bits do not depend on the rows and columns beside it") {
  with_every_isa([] {
    const Tensor a = numbers<float>({130, 500}, 5), b = numbers<float>({500, 90}, 6);
    const Tensor all = ops::matmul(a, b);
    const Tensor part = Tensor::empty({5, 7}, DType::f32);
    ops::gemm(rows_of(a, {100, 105}), false, rows_of(b, {}, {61, 68}), false, rows_of(part), ops::Write::overwrite);
    for (int r = 0; r < 5; ++r)
      for (int c = 0; c < 7; ++c) CHECK(part.at(r * 7 + c) == all.at((100 + r) * 90 + 61 + c));
  });
}

TEST_CASE("gemm: NaN and infinity come through and stay in their row") {
  Tensor a = numbers<float>({20, 30}, 1);
  const Tensor b = numbers<float>({30, 40}, 2);
  a.mutable_data<float>()[3 * 30 + 2] = std::numeric_limits<float>::quiet_NaN();
  const Tensor c = ops::matmul(a, b);
  for (int r = 0; r < 20; ++r)
    for (int col = 0; col < 40; ++col) CHECK(std::isnan(c.at(r * 40 + col)) == (r == 3));
}

TEST_CASE("gemm and matmul: errors say what came") {
  const Tensor a = numbers<float>({3, 4}, 1), b = numbers<float>({5, 6}, 2), c = numbers<float>({3, 6}, 3);
  const auto run = [&](const Tensor& x, const Tensor& y, const Tensor& z, const Tensor& bias = {}) {
    ops::gemm(rows_of(x), false, rows_of(y), false, rows_of(z), ops::Write::overwrite, bias);
  };
  CHECK_THROWS_WITH_AS(run(a, b, c),
                       "[gemm] a must have as many columns as b has rows, got 4 and 5; a is 1 x (3, 4) in (3, 4) f32, "
                       "b is 1 x (5, 6) in (5, 6) f32, c is 1 x (3, 6) in (3, 6) f32",
                       std::invalid_argument);
  const Tensor right = numbers<float>({4, 6}, 2);
  CHECK_NOTHROW(run(a, right, c));
  CHECK_THROWS_AS(run(a, right, numbers<float>({3, 7}, 3)), std::invalid_argument);
  CHECK_THROWS_AS(run(a, numbers<double>({4, 6}, 2), c), std::invalid_argument);
  CHECK_THROWS_AS(run(a, right, c, numbers<float>({5}, 3)), std::invalid_argument);
  CHECK_THROWS_AS(run(a, right, c, numbers<double>({6}, 3)), std::invalid_argument);
  CHECK_THROWS_AS(run(numbers<float>({2, 3, 4}, 1), right, c), std::invalid_argument);
  CHECK_THROWS_AS(
      run(Tensor::zeros({3, 4}, DType::i64), Tensor::zeros({4, 6}, DType::i64), Tensor::zeros({3, 6}, DType::i64)),
      std::invalid_argument);
  Rows outside = rows_of(a);
  outside.rows = 4;
  CHECK_THROWS_AS(
      ops::gemm(outside, false, rows_of(right), false, rows_of(numbers<float>({4, 6}, 3)), ops::Write::overwrite),
      std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::matmul(a, b),
                       "[matmul] a must have as many columns as b has rows, got 4 and 5; a is "
                       "(3, 4), b is (5, 6)",
                       std::invalid_argument);
  CHECK_THROWS_AS(ops::matmul(numbers<float>({2, 3, 4}, 1), numbers<float>({3, 4, 5}, 1)), std::invalid_argument);
  CHECK_THROWS_AS(ops::matmul(numbers<float>({4}, 1), right), std::invalid_argument);
}

TEST_CASE("peak: a positive figure") {
  CHECK(measure_fma_peak_gflops(1) > 0.01);
}

}  // namespace
