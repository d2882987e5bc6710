#include "models/adapters/singular.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tensor/ops/matmul/gemm.h"
#include "tensor/random.h"

using namespace rein;
using namespace rein::models;

namespace {

double largest(const Tensor& x) {
  double most = 0;
  for (const double v : x.to_doubles()) most = std::max(most, std::abs(v));
  return most;
}

// (n, n) of x^T x beside the unit matrix.
double from_orthonormal(const Tensor& x) {
  const Tensor g = ops::matmul(x, x, true, false);
  double most = 0;
  for (std::int64_t i = 0; i < g.size(0); ++i)
    for (std::int64_t j = 0; j < g.size(1); ++j)
      most = std::max(most, std::abs(g.at(i * g.size(1) + j) - (i == j ? 1 : 0)));
  return most;
}

// W v - s u, beside the largest value of W.
double residual(const Tensor& w, const SingularTriplets& t, bool transposed) {
  const Tensor& from = transposed ? t.u : t.v;
  const Tensor& to = transposed ? t.v : t.u;
  const Tensor product = ops::matmul(w, from, transposed, false);
  double most = 0;
  for (std::int64_t i = 0; i < product.count(); ++i)
    most = std::max(most, std::abs(product.at(i) - t.s.at(i % t.s.count()) * to.at(i)));
  return most / largest(w);
}

// Q diag(values) P^T with random rotations; (rows, cols) with as many values as the smaller side.
Tensor with_values(std::int64_t rows, std::int64_t cols, const std::vector<double>& values) {
  const auto rotation = [](std::int64_t n, std::uint64_t seed) {  // products of reflections
    Tensor q = Tensor::zeros({n, n}, DType::f64);
    double* p = q.mutable_data<double>();
    for (std::int64_t i = 0; i < n; ++i) p[i * n + i] = 1;
    for (std::uint64_t k = 0; k < 3; ++k) {
      const Tensor v = random_normal(RandomKey(seed).child(k), {n}, 0, 1, DType::f64);
      double length = 0;
      for (const double x : v.to_doubles()) length += x * x;
      for (std::int64_t i = 0; i < n; ++i) {
        double along = 0;
        for (std::int64_t j = 0; j < n; ++j) along += p[i * n + j] * v.at(j);
        for (std::int64_t j = 0; j < n; ++j) p[i * n + j] -= 2 * along / length * v.at(j);
      }
    }
    return q;
  };
  Tensor middle = Tensor::zeros({rows, cols}, DType::f64);
  for (std::size_t i = 0; i < values.size(); ++i)
    middle.mutable_data<double>()[static_cast<std::int64_t>(i) * cols + static_cast<std::int64_t>(i)] = values[i];
  return ops::matmul(ops::matmul(rotation(rows, 1), middle), rotation(cols, 2));
}

}  // namespace

TEST_CASE("the smallest triplets of matrices with known singular values, tall, wide and square") {
  for (const auto& [rows, cols] : {std::pair<std::int64_t, std::int64_t>{7, 7}, {12, 5}, {5, 12}, {33, 31}, {1, 9}}) {
    const std::int64_t n = std::min(rows, cols);
    std::vector<double> values;
    for (std::int64_t i = 0; i < n; ++i) values.push_back(3.0 - 2.5 * static_cast<double>(i) / static_cast<double>(n));
    const Tensor w = with_values(rows, cols, values);
    for (const std::int64_t r : {std::int64_t{1}, std::min<std::int64_t>(3, n), n}) {
      CAPTURE(rows);
      CAPTURE(cols);
      CAPTURE(r);
      const SingularTriplets t = smallest_singular(w, r);
      CHECK(t.u.shape() == Shape{rows, r});
      CHECK(t.v.shape() == Shape{cols, r});
      for (std::int64_t i = 0; i < r; ++i)
        CHECK(t.s.at(i) == doctest::Approx(values[static_cast<std::size_t>(n - r + i)]).epsilon(1e-12));
      CHECK(from_orthonormal(t.u) < 1e-13);
      CHECK(from_orthonormal(t.v) < 1e-13);
      CHECK(residual(w, t, false) < 1e-13);
      CHECK(residual(w, t, true) < 1e-12);
    }
  }
}

TEST_CASE("equal and vanishing singular values") {
  for (const std::vector<double>& values : {std::vector<double>{4, 1, 1, 1, 1, 1},
                                            {5, 4, 3, 2, 0, 0},
                                            {1, 1, 1, 1, 1, 1},
                                            {1e3, 1, 1e-2, 1e-3, 1e-4, 1e-5},
                                            {0, 0, 0, 0, 0, 0}}) {
    const Tensor w = with_values(9, 6, values);
    const SingularTriplets t = smallest_singular(w, 4);
    CHECK(from_orthonormal(t.v) < 1e-12);
    for (std::int64_t i = 0; i < 4; ++i)
      CHECK(std::abs(t.s.at(i) - values[static_cast<std::size_t>(i) + 2]) < 1e-7 * values[0] + 1e-300);
    for (const double x : t.u.to_doubles()) CHECK(std::isfinite(x));
  }
}

TEST_CASE("the sum of all triplets is the matrix") {
  const Tensor w = random_normal(RandomKey(3), {40, 24}, 0, 1, DType::f64);
  const SingularTriplets t = smallest_singular(w, 24);
  Tensor us = t.u.clone();
  for (std::int64_t i = 0; i < us.count(); ++i) us.mutable_data<double>()[i] *= t.s.at(i % 24);
  const Tensor again = ops::matmul(us, t.v, false, true);
  for (std::int64_t i = 0; i < w.count(); ++i) CHECK(std::abs(again.at(i) - w.at(i)) < 1e-12);
}

TEST_CASE("what cannot be decomposed is refused") {
  CHECK_THROWS_AS(smallest_singular(Tensor::zeros({3, 4}, DType::f32), 1), std::invalid_argument);
  CHECK_THROWS_AS(smallest_singular(Tensor::zeros({3}, DType::f64), 1), std::invalid_argument);
  CHECK_THROWS_AS(smallest_singular({}, 1), std::invalid_argument);
  CHECK_THROWS_AS(smallest_singular(Tensor::zeros({0, 4}, DType::f64), 1), std::invalid_argument);
  CHECK_THROWS_AS(smallest_singular(Tensor::zeros({3, 4}, DType::f64), 0), std::invalid_argument);
  CHECK_THROWS_WITH_AS(smallest_singular(Tensor::zeros({3, 4}, DType::f64), 4),
                       "[smallest_singular] r must be 1 to 3 for (3, 4), got 4", std::invalid_argument);
  CHECK_THROWS_AS(smallest_singular(Tensor::full({3, 4}, std::numeric_limits<double>::infinity(), DType::f64), 1),
                  std::invalid_argument);
}
