// Attention as the formula says, with the whole matrix of probabilities per head. Slow; the fast kernels are held to
// it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tensor/ops/attention/attention_kernels.h"
#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {

// Head h of batch n.
template <class T>
T* head_of(const AttentionRows<T>& rows, std::int64_t n, std::int64_t h, std::int64_t width) {
  return rows.data == nullptr ? nullptr : rows.data + n * rows.batch_pitch + h * width;
}

template <class T, class U>
T dot(const T* a, const U* b, std::int64_t count) {
  T sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// Row of the table of relative rows (columns) for query and key at these places of the map.
template <class T>
const T* relative_row(const AttentionArgs<T>& a, std::int64_t query, std::int64_t key) {
  return a.rel_height + (query / a.width - key / a.width + a.height - 1) * a.d;
}
template <class T>
const T* relative_column(const AttentionArgs<T>& a, std::int64_t query, std::int64_t key) {
  return a.rel_width + (query % a.width - key % a.width + a.width - 1) * a.d;
}

// p (lq, lk): probabilities. log_sum_exp (lq) is written when `write` is set.
template <class T>
std::vector<T> probabilities(const AttentionArgs<T>& a, std::int64_t n, std::int64_t h, T* log_sum_exp) {
  const T* q = head_of(a.q, n, h, a.d);
  const T* k = head_of(a.k, n, h, a.d);
  std::vector<T> p(static_cast<std::size_t>(a.lq * a.lk));
  for (std::int64_t i = 0; i < a.lq; ++i) {
    T* row = p.data() + i * a.lk;
    T top = -std::numeric_limits<T>::infinity();
    for (std::int64_t j = 0; j < a.lk; ++j) {
      const bool blocked = a.blocked != nullptr && a.blocked[(n * a.lq + i) * a.lk + j] != 0;
      const T* query = q + i * a.q.row_pitch;
      row[j] = a.scale * dot(query, k + j * a.k.row_pitch, a.d);
      if (a.rel_height != nullptr)
        row[j] += dot(query, relative_row(a, i, j), a.d) + dot(query, relative_column(a, i, j), a.d);
      if (blocked) row[j] = -std::numeric_limits<T>::infinity();
      top = std::max(top, row[j]);
    }
    T sum = 0;
    for (std::int64_t j = 0; j < a.lk; ++j) sum += row[j] = std::exp(row[j] - top);
    for (std::int64_t j = 0; j < a.lk; ++j) row[j] /= sum;
    if (log_sum_exp != nullptr) log_sum_exp[i] = top + std::log(sum);
  }
  return p;
}

}  // namespace

template <class T>
void attention_reference(const AttentionArgs<T>& a) {
  parallel_for(a.batches * a.heads, [&](std::int64_t task) {
    const std::int64_t n = task / a.heads, h = task % a.heads;
    const auto p = probabilities(a, n, h, a.log_sum_exp + task * a.lq);
    const T* v = head_of(a.v, n, h, a.dv);
    T* out = head_of(a.out, n, h, a.dv);
    for (std::int64_t i = 0; i < a.lq; ++i) {
      T* row = out + i * a.out.row_pitch;
      std::fill_n(row, a.dv, T(0));
      for (std::int64_t j = 0; j < a.lk; ++j) {
        const T w = p[static_cast<std::size_t>(i * a.lk + j)];
        for (std::int64_t c = 0; c < a.dv; ++c) row[c] += w * v[j * a.v.row_pitch + c];
      }
    }
  });
}

// With P = softmax(S), S = scale Q K^T, O = P V:
//   dV = P^T dO,  dP = dO V^T,  dS = P * (dP - rowsum(dO * O)),  dQ = scale dS K,  dK = scale dS^T Q.
// Each logit also has q . (R_h + R_w) with a row of each table: dQ gets dS (R_h + R_w), both rows get dS q.
template <class T>
void attention_reference_backward(const AttentionArgs<T>& a, const AttentionGradArgs<T>& g) {
  const bool rel_wanted = g.rel_height != nullptr;
  const std::int64_t rows_height = 2 * a.height - 1, rows_width = 2 * a.width - 1;
  if (rel_wanted) {
    std::fill_n(g.rel_height, rows_height * a.d, T(0));
    std::fill_n(g.rel_width, rows_width * a.d, T(0));
  }
  const auto run = [&](std::int64_t task) {
    const std::int64_t n = task / a.heads, h = task % a.heads;
    const auto p = probabilities<T>(a, n, h, nullptr);
    const T *q = head_of(a.q, n, h, a.d), *k = head_of(a.k, n, h, a.d), *v = head_of(a.v, n, h, a.dv);
    const T *out = head_of(a.out, n, h, a.dv), *grad = head_of(g.out, n, h, a.dv);
    T *gq = head_of(g.q, n, h, a.d), *gk = head_of(g.k, n, h, a.d), *gv = head_of(g.v, n, h, a.dv);
    for (std::int64_t i = 0; gq != nullptr && i < a.lq; ++i) std::fill_n(gq + i * g.q.row_pitch, a.d, T(0));
    for (std::int64_t j = 0; gk != nullptr && j < a.lk; ++j) std::fill_n(gk + j * g.k.row_pitch, a.d, T(0));
    for (std::int64_t j = 0; gv != nullptr && j < a.lk; ++j) std::fill_n(gv + j * g.v.row_pitch, a.dv, T(0));
    for (std::int64_t i = 0; i < a.lq; ++i) {
      const T* go = grad + i * g.out.row_pitch;
      const T mean = dot(go, out + i * a.out.row_pitch, a.dv);
      for (std::int64_t j = 0; j < a.lk; ++j) {
        const T w = p[static_cast<std::size_t>(i * a.lk + j)];
        const T slope = w * (dot(go, v + j * a.v.row_pitch, a.dv) - mean), ds = a.scale * slope;
        for (std::int64_t c = 0; gv != nullptr && c < a.dv; ++c) gv[j * g.v.row_pitch + c] += w * go[c];
        for (std::int64_t c = 0; gq != nullptr && c < a.d; ++c)
          gq[i * g.q.row_pitch + c] += ds * k[j * a.k.row_pitch + c];
        for (std::int64_t c = 0; gk != nullptr && c < a.d; ++c)
          gk[j * g.k.row_pitch + c] += ds * q[i * a.q.row_pitch + c];
        if (a.rel_height == nullptr) continue;
        const T *down = relative_row(a, i, j), *across = relative_column(a, i, j);
        for (std::int64_t c = 0; gq != nullptr && c < a.d; ++c)
          gq[i * g.q.row_pitch + c] += slope * (down[c] + across[c]);
        for (std::int64_t c = 0; rel_wanted && c < a.d; ++c) {
          g.rel_height[down - a.rel_height + c] += slope * q[i * a.q.row_pitch + c];
          g.rel_width[across - a.rel_width + c] += slope * q[i * a.q.row_pitch + c];
        }
      }
    }
  };
  const std::int64_t tasks = a.batches * a.heads;
  if (!rel_wanted) return parallel_for(tasks, run);
  for (std::int64_t task = 0; task < tasks; ++task) run(task);  // all heads add to the same tables
}

template void attention_reference(const AttentionArgs<float>&);
template void attention_reference(const AttentionArgs<double>&);
template void attention_reference_backward(const AttentionArgs<float>&, const AttentionGradArgs<float>&);
template void attention_reference_backward(const AttentionArgs<double>&, const AttentionGradArgs<double>&);

}  // namespace rein::ops::cpu
