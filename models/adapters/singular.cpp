#include "models/adapters/singular.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "tensor/error.h"
#include "tensor/ops/matmul/gemm.h"
#include "tensor/random.h"

namespace rein::models {
namespace {

using Values = std::vector<double>;

double dot(const double* a, const double* b, std::size_t n) {
  return std::inner_product(a, a + n, b, 0.0);
}

// T = Q^T A Q, tridiagonal; Q is the product of I - beta v v^T for v in order.
struct Tridiagonal {
  Values diagonal, beside;         // beside[i]: between i and i + 1
  std::vector<Values> reflectors;  // v of step k, elements k + 1 … n - 1
  Values beta;
};

// Each step's change of A waits for the next step, whose product with v then reads every row once.
Tridiagonal tridiagonal(Values a, std::size_t n) {
  Tridiagonal t{Values(n), Values(n - 1), {}, {}};
  Values old_v, old_w, product(n);  // A -= v w^T + w v^T is still to be done, for rows and columns from k on
  const auto update = [&](std::size_t k, std::size_t i, std::size_t from) {
    if (old_v.empty()) return;
    double* row = a.data() + i * n;
    const double own = old_v[i - k], other = old_w[i - k];
    const double *v = old_v.data() - k, *w = old_w.data() - k;
    for (std::size_t j = from; j < n; ++j) row[j] -= own * w[j] + other * v[j];
  };
  for (std::size_t k = 0; k + 1 < n; ++k) {
    update(k, k, k);
    t.diagonal[k] = a[k * n + k];
    const std::size_t first = k + 1, m = n - first;
    Values v(a.data() + k * n + first, a.data() + first * n);  // the row: A is symmetric
    const double rest = dot(v.data() + 1, v.data() + 1, m - 1), length = std::sqrt(v[0] * v[0] + rest);
    double beta = 0;
    t.beside[k] = v[0];
    if (rest > 0) {
      t.beside[k] = v[0] > 0 ? -length : length;
      v[0] -= t.beside[k];
      beta = 2 / (v[0] * v[0] + rest);
    }
    std::ranges::fill(product, 0.0);
    for (std::size_t i = first; i < n; ++i) {
      update(k, i, first);
      const double* row = a.data() + i * n;
      const double factor = beta * v[i - first];
      for (std::size_t j = first; j < n; ++j) product[j] += factor * row[j];
    }
    const double half = beta / 2 * dot(product.data() + first, v.data(), m);
    old_w.assign(product.begin() + static_cast<std::ptrdiff_t>(first), product.end());
    for (std::size_t j = 0; j < m; ++j) old_w[j] -= half * v[j];
    old_v = v;
    t.beta.push_back(beta);
    t.reflectors.push_back(std::move(v));
  }
  update(n - 1, n - 1, n - 1);
  t.diagonal[n - 1] = a[n * n - 1];
  return t;
}

double norm_of(const Tridiagonal& t) {
  double most = 0;
  for (std::size_t i = 0; i < t.diagonal.size(); ++i)
    most = std::max(most, std::abs(t.diagonal[i]) + (i > 0 ? std::abs(t.beside[i - 1]) : 0) +
                              (i < t.beside.size() ? std::abs(t.beside[i]) : 0));
  return most;
}

// How many eigenvalues lie below x (Sturm).
std::size_t count_below(const Tridiagonal& t, double x, double tiny) {
  std::size_t count = 0;
  double q = 1;
  for (std::size_t i = 0; i < t.diagonal.size(); ++i) {
    const double e = i > 0 ? t.beside[i - 1] : 0;
    q = t.diagonal[i] - x - (i > 0 ? e * e / q : 0);
    if (std::abs(q) < tiny) q = -tiny;
    if (q < 0) ++count;
  }
  return count;
}

double eigenvalue(const Tridiagonal& t, std::size_t index, double bound, double tiny) {
  double low = -bound, high = bound;
  for (int step = 0; step < 200; ++step) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    (count_below(t, middle, tiny) > index ? high : low) = middle;
  }
  return low + (high - low) / 2;
}

// Solves (T - shift) x = b in place, with row exchanges; pivots are at least `tiny`.
void solve_shifted(const Tridiagonal& t, double shift, double tiny, Values& x) {
  const std::size_t n = x.size();
  Values main(n), above(n, 0.0), second(n, 0.0);
  main[0] = t.diagonal[0] - shift;
  if (n > 1) above[0] = t.beside[0];
  for (std::size_t i = 0; i + 1 < n; ++i) {
    double below = t.beside[i], next = t.diagonal[i + 1] - shift, after = i + 2 < n ? t.beside[i + 1] : 0;
    if (std::abs(below) > std::abs(main[i])) {
      std::swap(main[i], below);
      std::swap(above[i], next);
      std::swap(second[i], after);
      std::swap(x[i], x[i + 1]);
    }
    if (std::abs(main[i]) < tiny) main[i] = tiny;
    const double factor = below / main[i];
    main[i + 1] = next - factor * above[i];
    above[i + 1] = after - factor * second[i];
    x[i + 1] -= factor * x[i];
  }
  if (std::abs(main[n - 1]) < tiny) main[n - 1] = tiny;
  for (std::size_t i = n; i-- > 0;) {
    if (i + 1 < n) x[i] -= above[i] * x[i + 1];
    if (i + 2 < n) x[i] -= second[i] * x[i + 2];
    x[i] /= main[i];
  }
}

void normalise(Values& x) {
  const double most = std::abs(*std::ranges::max_element(x, {}, [](double v) { return std::abs(v); }));
  for (double& v : x) v /= most;
  const double length = std::sqrt(dot(x.data(), x.data(), x.size()));
  for (double& v : x) v /= length;
}

// Orthonormal vectors of the r smallest eigenvalues of the matrix that t came from.
std::vector<Values> smallest_vectors(const Tridiagonal& t, std::size_t r) {
  const std::size_t n = t.diagonal.size();
  const double bound = std::max(norm_of(t), 1e-100);
  const double tiny = bound * std::numeric_limits<double>::epsilon() * 1e-3;
  std::vector<Values> vectors;
  for (std::size_t i = 0; i < r; ++i) {
    const double shift = eigenvalue(t, i, 1.01 * bound, tiny);
    Values x(n);
    for (std::size_t j = 0; j < n; ++j) x[j] = RandomKey(i).uniform(j, -1, 1);
    for (int step = 0; step < 4; ++step) {
      solve_shifted(t, shift, tiny, x);
      normalise(x);
      for (int twice = 0; twice < 2; ++twice)
        for (const Values& other : vectors) {
          const double along = dot(other.data(), x.data(), n);
          for (std::size_t j = 0; j < n; ++j) x[j] -= along * other[j];
        }
      normalise(x);
    }
    vectors.push_back(std::move(x));
  }
  for (Values& x : vectors)  // back: x = Q x
    for (std::size_t k = t.reflectors.size(); k-- > 0;) {
      const Values& v = t.reflectors[k];
      const double along = t.beta[k] * dot(v.data(), x.data() + k + 1, v.size());
      for (std::size_t j = 0; j < v.size(); ++j) x[k + 1 + j] -= along * v[j];
    }
  return vectors;
}

// Rotates y_i = W v_i among each other until they are orthogonal, and the v with them.
void rotate_apart(std::vector<Values>& y, std::vector<Values>& v) {
  const std::size_t r = y.size();
  for (int sweep = 0; sweep < 60; ++sweep) {
    bool still = true;
    for (std::size_t p = 0; p < r; ++p) {
      for (std::size_t q = p + 1; q < r; ++q) {
        const double a = dot(y[p].data(), y[p].data(), y[p].size()), b = dot(y[q].data(), y[q].data(), y[q].size());
        const double c = dot(y[p].data(), y[q].data(), y[p].size());
        if (std::abs(c) <= 1e-15 * std::sqrt(a) * std::sqrt(b) || c == 0) continue;
        still = false;
        const double zeta = (b - a) / (2 * c);
        const double tangent = (zeta >= 0 ? 1 : -1) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
        const double cosine = 1 / std::sqrt(1 + tangent * tangent), sine = cosine * tangent;
        const auto turn = [&](Values& left, Values& right) {
          for (std::size_t j = 0; j < left.size(); ++j) {
            const double l = left[j], h = right[j];
            left[j] = cosine * l - sine * h;
            right[j] = sine * l + cosine * h;
          }
        };
        turn(y[p], y[q]);
        turn(v[p], v[q]);
      }
    }
    if (still) return;
  }
}

Tensor columns(const std::vector<Values>& list, const std::vector<std::size_t>& order) {
  const auto rows = static_cast<std::int64_t>(list.front().size()), cols = static_cast<std::int64_t>(order.size());
  Tensor out = Tensor::empty(Shape{rows, cols}, DType::f64);
  double* to = out.mutable_data<double>();
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < cols; ++j)
      *to++ = list[order[static_cast<std::size_t>(j)]][static_cast<std::size_t>(i)];
  return out;
}

}  // namespace

SingularTriplets smallest_singular(const Tensor& w, std::int64_t r) {
  require(w && w.rank() == 2 && w.dtype() == DType::f64 && w.device().is_cpu(), "smallest_singular",
          "needs a matrix in f64 on the CPU, got ", w ? w.shape().text() : "nothing");
  const auto rows = static_cast<std::size_t>(w.size(0)), cols = static_cast<std::size_t>(w.size(1));
  const std::size_t n = std::min(rows, cols);
  require(r >= 1 && static_cast<std::size_t>(r) <= n, "smallest_singular", "r must be 1 to ", n, " for ", w.shape(),
          ", got ", r);
  // Scaled to a largest value of 1, so that squares neither overflow nor vanish; a matrix of zeros stays one.
  Values scaled(w.data<double>(), w.data<double>() + w.count());
  require(std::ranges::all_of(scaled, [](double x) { return std::isfinite(x); }), "smallest_singular",
          "needs finite numbers");
  double most = 0;
  for (const double x : scaled) most = std::max(most, std::abs(x));
  if (most == 0) most = 1;
  for (double& x : scaled) x /= most;
  const double* values = scaled.data();
  const bool tall = rows >= cols;  // inner: right vectors, else left ones
  const Tensor whole = Tensor::from(scaled, w.shape());
  const Values gram = ops::matmul(whole, whole, tall, !tall).to_doubles();
  std::vector<Values> inner = smallest_vectors(tridiagonal(gram, n), static_cast<std::size_t>(r));
  std::vector<Values> outer;
  for (const Values& x : inner) {
    Values y(tall ? rows : cols, 0.0);
    for (std::size_t i = 0; i < rows; ++i) {
      const double* row = values + i * cols;
      if (tall)
        y[i] = dot(row, x.data(), cols);
      else
        for (std::size_t j = 0; j < cols; ++j) y[j] += x[i] * row[j];
    }
    outer.push_back(std::move(y));
  }
  rotate_apart(outer, inner);
  Values sizes;
  for (Values& y : outer) {
    sizes.push_back(std::sqrt(dot(y.data(), y.data(), y.size())));
    if (sizes.back() > 0)
      for (double& value : y) value /= sizes.back();
  }
  std::vector<std::size_t> order(outer.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater(), [&](std::size_t i) { return sizes[i]; });
  Values sorted;
  for (const std::size_t i : order) sorted.push_back(most * sizes[i]);
  return {columns(tall ? outer : inner, order), Tensor::from(sorted, Shape{r}), columns(tall ? inner : outer, order)};
}

}  // namespace rein::models
