// Backward: a task is (batch, head, part of the queries). For each block of queries and block of keys it recomputes the
// probabilities from the log-sum-exp (query_block x key_block scratch) and does the four products of the derivation in
// autograd/ops/attention/attention.cpp. grad_q is owned by the task; gradients of keys and values are summed per part,
// and the parts are added in order. The number of parts depends on Lq alone, so the bits do not depend on threads or
// batch.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/attention/attention_backward_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/ops/attention/attention_blocks.h"
#include "tensor/ops/attention/attention_kernels-inl.h"
#include "tensor/ops/attention/attention_kernels.h"
#include "tensor/ops/attention/attention_relative-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

// scores -> P = exp(scale * score - lse); slopes (dP) -> dS = P (dP - mean).
template <class T>
HWY_INLINE void probabilities_row(T* scores, T* slopes, const std::uint8_t* blocked, std::int64_t keys, T scale, T lse,
                                  T mean) {
  for_each_lane(hn::ScalableTag<T>(), keys, [&](auto d, std::int64_t j) {
    const auto p = exp_small(d, hn::MulSub(load(d, scores + j), hn::Set(d, scale), hn::Set(d, lse)));
    store(p, d, scores + j);
    store(hn::Mul(p, hn::Sub(load(d, slopes + j), hn::Set(d, mean))), d, slopes + j);
  });
  if (blocked == nullptr) return;
  for (std::int64_t j = 0; j < keys; ++j) {
    scores[j] = blocked[j] != 0 ? T(0) : scores[j];
    slopes[j] = blocked[j] != 0 ? T(0) : slopes[j];
  }
}

template <class T>
void run_backward(const AttentionPart<T>& a, T* scratch) {
  const std::int64_t width = padded(a.d), width_v = padded(a.dv);
  const std::int64_t cols = lanes_up<T>(a.d), cols_v = lanes_up<T>(a.dv);
  T* scores = scratch;
  T* slopes = scores + query_block * key_block;
  T* q = slopes + query_block * key_block;
  T* grad_q = q + query_block * width;
  T* grad = grad_q + query_block * width;
  const RelativePositions<T>& rel = a.rel;
  T* terms = grad + query_block * width_v;
  T* grad_terms = terms + query_block * rel.pitch();
  T* grad_q_rel = grad_terms + query_block * rel.pitch();
  for (std::int64_t begin = 0; begin < a.queries; begin += query_block) {
    const std::int64_t n = a.queries - begin < query_block ? a.queries - begin : query_block;
    pack_tile_rows(a.q + begin * a.q_pitch, a.q_pitch, n, a.d, q);
    pack_tile_rows(a.grad_out + begin * a.grad_pitch, a.grad_pitch, n, a.dv, grad);
    T means[query_block];
    for (std::int64_t i = 0; i < n; ++i) {
      const T* o = a.out + (begin + i) * a.out_pitch;
      means[i] = sum_of<T>(
          a.dv, [&](auto d, std::int64_t c) { return hn::Mul(load(d, grad + i * width_v + c), load(d, o + c)); });
    }
    if (rel.count() > 0) {
      relative_terms(rel, q, width, a.d, n, terms);
      for (std::int64_t i = 0; i < n * rel.pitch(); ++i) grad_terms[i] = T(0);
    }
    for (std::int64_t key = 0; key < a.lk; key += key_block) {
      const std::int64_t keys = a.lk - key < key_block ? a.lk - key : key_block;
      multiply_panels(q, width, a.k_transposed, a.d, key, key + keys, scores, key_block, n);
      multiply_panels(grad, width_v, a.v_transposed, a.dv, key, key + keys, slopes, key_block, n);
      for (std::int64_t i = 0; i < n; ++i) {
        const std::uint8_t* blocked = a.blocked != nullptr ? a.blocked + (begin + i) * a.lk + key : nullptr;
        T scale = a.scale;
        if (rel.count() > 0) {
          add_relative(rel, terms + i * rel.pitch(), a.first_query + begin + i, a.scale, key, key + keys,
                       scores + i * key_block);
          scale = T(1);
        }
        probabilities_row(scores + i * key_block, slopes + i * key_block, blocked, keys, scale,
                          a.log_sum_exp[begin + i], means[i]);
        if (rel.count() > 0)
          add_relative_backward(rel, slopes + i * key_block, a.first_query + begin + i, key, key + keys,
                                grad_terms + i * rel.pitch());
      }
      if (a.sum_v != nullptr)
        multiply<T, true>(scores, key_block, grad, width_v, a.sum_v + key * width_v, width_v, keys, cols_v, n,
                          begin != 0);
      if (a.sum_k != nullptr)
        multiply<T, true>(slopes, key_block, q, width, a.sum_k + key * width, width, keys, cols, n, begin != 0);
      if (a.grad_q != nullptr)
        multiply<T, false>(slopes, key_block, a.k_rows + key * width, width, grad_q, width, n, cols, keys, key != 0);
    }
    if (a.sum_rel != nullptr)
      multiply<T, true>(grad_terms, rel.pitch(), q, width, a.sum_rel, width, rel.count(), cols, n, begin != 0);
    if (a.grad_q != nullptr && rel.count() > 0)
      multiply<T, false>(grad_terms, rel.pitch(), rel.rows, width, grad_q_rel, width, n, cols, rel.count(), false);
    for (std::int64_t i = 0; a.grad_q != nullptr && i < n; ++i) {
      T* to = a.grad_q + (begin + i) * a.grad_q_pitch;
      for_each_lane(hn::ScalableTag<T>(), a.d, [&](auto d, std::int64_t c) {
        const auto scaled = hn::Mul(load(d, grad_q + i * width + c), hn::Set(d, a.scale));
        store(rel.count() > 0 ? hn::Add(scaled, load(d, grad_q_rel + i * width + c)) : scaled, d, to + c);
      });
    }
  }
}

void backward_f32(const AttentionPart<float>& part, float* scratch) {
  run_backward(part, scratch);
}
void backward_f64(const AttentionPart<double>& part, double* scratch) {
  run_backward(part, scratch);
}

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <vector>

#include "tensor/cpu/dispatch.h"
#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {
HWY_EXPORT(backward_f32);
HWY_EXPORT(backward_f64);

// grad rows = factor * (sum of the parts, in order).
template <class T>
void add_parts(const T* sums, std::int64_t parts, std::int64_t part_pitch, std::int64_t rows, std::int64_t width,
               std::int64_t d, T factor, T* grad, std::int64_t pitch) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < d; ++c) {
      T sum = sums[r * width + c];
      for (std::int64_t p = 1; p < parts; ++p) sum += sums[p * part_pitch + r * width + c];
      grad[r * pitch + c] = factor * sum;
    }
  }
}

// Sums in the order of RelativePositions -> the gradients of both tables.
template <class T>
void store_reversed(const std::vector<double>& sums, const AttentionArgs<T>& a, const AttentionGradArgs<T>& g) {
  const auto store = [&](const double* from, std::int64_t rows, T* to) {
    for (std::int64_t m = 0; m < rows; ++m)
      for (std::int64_t c = 0; c < a.d; ++c) to[(rows - 1 - m) * a.d + c] = static_cast<T>(from[m * a.d + c]);
  };
  store(sums.data(), 2 * a.height - 1, g.rel_height);
  store(sums.data() + (2 * a.height - 1) * a.d, 2 * a.width - 1, g.rel_width);
}

template <class P>
auto head_at(const P& rows, std::int64_t n, std::int64_t h, std::int64_t width) {
  return rows.data == nullptr ? rows.data : rows.data + n * rows.batch_pitch + h * width;
}

template <class T>
void fill_zero(const AttentionRows<T>& to, const AttentionArgs<T>& a, std::int64_t rows, std::int64_t cols) {
  for (std::int64_t n = 0; to.data != nullptr && n < a.batches; ++n)
    for (std::int64_t r = 0; r < rows; ++r) std::fill_n(to.data + n * to.batch_pitch + r * to.row_pitch, cols, T(0));
}
}  // namespace

template <class T>
void attention_backward(const AttentionArgs<T>& a, const AttentionGradArgs<T>& g) {
  const std::int64_t heads = a.batches * a.heads;
  if (heads == 0 || a.lq == 0) {  // no query reaches a key
    fill_zero(g.k, a, a.lk, a.heads * a.d);
    fill_zero(g.v, a, a.lk, a.heads * a.dv);
    if (g.rel_height != nullptr) std::fill_n(g.rel_height, (2 * a.height - 1) * a.d, T(0));
    if (g.rel_width != nullptr) std::fill_n(g.rel_width, (2 * a.width - 1) * a.d, T(0));
    return;
  }
  const auto kernel = REIN_KERNEL_OF(T, backward);
  const std::int64_t keys = padded_keys(a.lk), k_size = keys * padded(a.d), v_size = keys * padded(a.dv);
  const std::int64_t wanted_parts = std::max<std::int64_t>(1, (a.lq + query_part / 2) / query_part);
  const std::int64_t part_rows = round_up((a.lq + wanted_parts - 1) / wanted_parts, query_block);
  const std::int64_t parts = (a.lq + part_rows - 1) / part_rows;
  Tensor tables;
  const RelativePositions<T> rel = pack_relative(a, tables);
  const std::int64_t rel_size = g.rel_height != nullptr ? rel.pitch() * padded(a.d) : 0;
  std::vector<double> rel_sum(static_cast<std::size_t>(rel_size != 0 ? rel.count() * a.d : 0));
  // Per head: k transposed, k rows, v transposed, then the partial sums of each part.
  const std::int64_t per_head = (2 + parts) * k_size + (1 + parts) * v_size + parts * rel_size;
  const std::int64_t group = heads_per_group(heads, per_head * static_cast<std::int64_t>(sizeof(T)));
  Tensor memory = Tensor::empty({group * per_head}, dtype_v<T>);
  T* const base = memory.mutable_data<T>();
  for (std::int64_t first = 0; first < heads; first += group) {
    const std::int64_t count = std::min(group, heads - first);
    parallel_for(2 * count, [&](std::int64_t task) {
      const std::int64_t i = task / 2, n = (first + i) / a.heads, h = (first + i) % a.heads;
      T* at = base + i * per_head;
      if (task % 2 == 0)
        attention_pack<T>({head_at(a.k, n, h, a.d), a.k.row_pitch, a.lk, a.d, at, at + k_size});
      else
        attention_pack<T>({head_at(a.v, n, h, a.dv), a.v.row_pitch, a.lk, a.dv, at + 2 * k_size, nullptr});
    });
    parallel_for(count * parts, [&](std::int64_t task) {
      const std::int64_t i = task / parts, n = (first + i) / a.heads, h = (first + i) % a.heads;
      const std::int64_t part = task % parts, row = part * part_rows;
      T* at = base + i * per_head;
      T* sums = at + 2 * k_size + v_size;
      AttentionPart<T> p{};
      p.q = head_at(a.q, n, h, a.d) + row * a.q.row_pitch, p.q_pitch = a.q.row_pitch;
      p.grad_out = head_at(g.out, n, h, a.dv) + row * g.out.row_pitch, p.grad_pitch = g.out.row_pitch;
      p.out = head_at(a.out, n, h, a.dv) + row * a.out.row_pitch, p.out_pitch = a.out.row_pitch;
      p.queries = std::min(part_rows, a.lq - row);
      p.log_sum_exp = a.log_sum_exp + (first + i) * a.lq + row;
      p.k_transposed = at, p.k_rows = at + k_size, p.v_transposed = at + 2 * k_size;
      p.lk = a.lk, p.d = a.d, p.dv = a.dv, p.scale = a.scale;
      p.blocked = a.blocked != nullptr ? a.blocked + (n * a.lq + row) * a.lk : nullptr;
      if (g.q.data != nullptr) p.grad_q = head_at(g.q, n, h, a.d) + row * g.q.row_pitch, p.grad_q_pitch = g.q.row_pitch;
      p.sum_k = g.k.data != nullptr ? sums + part * k_size : nullptr;
      p.sum_v = g.v.data != nullptr ? sums + parts * k_size + part * v_size : nullptr;
      p.rel = rel, p.first_query = row;
      p.sum_rel = rel_size != 0 ? sums + parts * (k_size + v_size) + part * rel_size : nullptr;
      kernel(p, thread_scratch<T>(query_block * (2 * key_block + 3 * padded(a.d) + padded(a.dv) + 2 * rel.pitch())));
    });
    parallel_for(count, [&](std::int64_t i) {
      const std::int64_t n = (first + i) / a.heads, h = (first + i) % a.heads;
      const T* sums = base + i * per_head + 2 * k_size + v_size;
      if (g.k.data != nullptr)
        add_parts(sums, parts, k_size, a.lk, padded(a.d), a.d, a.scale, head_at(g.k, n, h, a.d), g.k.row_pitch);
      if (g.v.data != nullptr)
        add_parts(sums + parts * k_size, parts, v_size, a.lk, padded(a.dv), a.dv, T(1), head_at(g.v, n, h, a.dv),
                  g.v.row_pitch);
    });
    // All heads share the tables: their sums are added in the order of heads and parts, whatever the groups are.
    parallel_for(rel_size != 0 ? rel.count() : 0, [&](std::int64_t r) {
      for (std::int64_t i = 0; i < count * parts; ++i) {
        const T* row = base + i / parts * per_head + 2 * k_size + v_size + parts * (k_size + v_size) +
                       i % parts * rel_size + r * padded(a.d);
        for (std::int64_t c = 0; c < a.d; ++c)
          rel_sum[static_cast<std::size_t>(r * a.d + c)] += static_cast<double>(row[c]);
      }
    });
  }
  if (rel_size != 0) store_reversed(rel_sum, a, g);
}

template void attention_backward(const AttentionArgs<float>&, const AttentionGradArgs<float>&);
template void attention_backward(const AttentionArgs<double>&, const AttentionGradArgs<double>&);

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
