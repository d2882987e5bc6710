// Forward: a task is (batch, head, block of queries). Its scores against all keys (query_block x Lk) live in scratch of
// the second-level cache; softmax is two passes over them (all keys are there, so no online softmax as on CUDA); then
// probabilities times values. Keys and values of a few heads at a time are packed first, so that all threads can share
// a head's work.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/attention/attention_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/ops/attention/attention_blocks.h"
#include "tensor/ops/attention/attention_kernels-inl.h"
#include "tensor/ops/attention/attention_kernels.h"
#include "tensor/ops/attention/attention_relative-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

template <class T>
void run_pack(const AttentionPack<T>& p) {
  if (p.transposed != nullptr) pack_transposed(p.x, p.pitch, p.rows, p.d, p.transposed);
  if (p.packed != nullptr) pack_rows(p.x, p.pitch, p.rows, p.d, p.packed);
}

// scores -> exp(scale * score - max), in place; returns the log-sum-exp and the sum.
template <class T>
HWY_INLINE T softmax_row(T* scores, const std::uint8_t* blocked, std::int64_t lk, T scale, T* sum) {
  const T lowest = -static_cast<T>(__builtin_inf());
  if (blocked != nullptr)
    for (std::int64_t j = 0; j < lk; ++j) scores[j] = blocked[j] != 0 ? lowest : scores[j];
  const T top = scale * max_of<T>(lk, [&](auto d, std::int64_t j) { return load(d, scores + j); });
  *sum = sum_of<T>(lk, [&](auto d, std::int64_t j) {
    const auto e = exp_small(d, hn::MulSub(load(d, scores + j), hn::Set(d, scale), hn::Set(d, top)));
    store(e, d, scores + j);
    return e;
  });
  return top + static_cast<T>(__builtin_log(static_cast<double>(*sum)));
}

template <class T>
void run_forward(const AttentionBlock<T>& b, T* scratch) {
  const std::int64_t ld = padded_keys(b.lk), width = padded(b.d), width_v = padded(b.dv);
  T* scores = scratch;
  T* q = scores + query_block * ld;
  T* out = q + query_block * width;
  pack_tile_rows(b.q, b.q_pitch, b.queries, b.d, q);
  multiply_panels(q, width, b.k_transposed, b.d, 0, b.lk, scores, ld, b.queries);
  T* terms = out + query_block * width_v;
  if (b.rel.count() > 0) relative_terms(b.rel, q, width, b.d, b.queries, terms);
  T sums[query_block];
  for (std::int64_t i = 0; i < b.queries; ++i) {
    const std::uint8_t* blocked = b.blocked != nullptr ? b.blocked + i * b.lk : nullptr;
    T scale = b.scale;
    if (b.rel.count() > 0) {
      add_relative(b.rel, terms + i * b.rel.pitch(), b.first_query + i, b.scale, 0, b.lk, scores + i * ld);
      scale = T(1);
    }
    b.log_sum_exp[i] = softmax_row(scores + i * ld, blocked, b.lk, scale, sums + i);
  }
  for (std::int64_t j = 0; j < b.lk; j += value_block) {
    const std::int64_t keys = b.lk - j < value_block ? b.lk - j : value_block;
    multiply<T, false>(scores + j, ld, b.v_rows + j * width_v, width_v, out, width_v, b.queries, lanes_up<T>(b.dv),
                       keys, j != 0);
  }
  for (std::int64_t i = 0; i < b.queries; ++i) {
    const T inverse = T(1) / sums[i];
    for_each_lane(hn::ScalableTag<T>(), b.dv, [&](auto d, std::int64_t c) {
      store(hn::Mul(load(d, out + i * width_v + c), hn::Set(d, inverse)), d, b.out + i * b.out_pitch + c);
    });
  }
}

void pack_f32(const AttentionPack<float>& p) {
  run_pack(p);
}
void pack_f64(const AttentionPack<double>& p) {
  run_pack(p);
}
void forward_f32(const AttentionBlock<float>& b, float* scratch) {
  run_forward(b, scratch);
}
void forward_f64(const AttentionBlock<double>& b, double* scratch) {
  run_forward(b, scratch);
}

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "tensor/cpu/dispatch.h"
#include "tensor/parallel.h"
#include "tensor/tensor.h"

namespace rein::ops::cpu {
namespace {
HWY_EXPORT(pack_f32);
HWY_EXPORT(pack_f64);
HWY_EXPORT(forward_f32);
HWY_EXPORT(forward_f64);
}  // namespace

template <class T>
void attention_pack(const AttentionPack<T>& pack) {
  REIN_KERNEL_OF(T, pack)(pack);
}
template void attention_pack(const AttentionPack<float>&);
template void attention_pack(const AttentionPack<double>&);

template <class T>
RelativePositions<T> pack_relative(const AttentionArgs<T>& a, Tensor& memory) {
  if (a.rel_height == nullptr) return {};
  RelativePositions<T> rel{nullptr, nullptr, a.height, a.width};
  const std::int64_t rows_height = 2 * a.height - 1, rows_width = 2 * a.width - 1, count = rows_height + rows_width;
  const std::int64_t size = padded_keys(count) * padded(a.d);
  memory = Tensor::empty({2 * size + count * a.d}, dtype_v<T>);
  T* const transposed = memory.mutable_data<T>();
  T* const reversed = transposed + 2 * size;
  for (std::int64_t m = 0; m < rows_height; ++m)
    std::copy_n(a.rel_height + (rows_height - 1 - m) * a.d, a.d, reversed + m * a.d);
  for (std::int64_t m = 0; m < rows_width; ++m)
    std::copy_n(a.rel_width + (rows_width - 1 - m) * a.d, a.d, reversed + (rows_height + m) * a.d);
  attention_pack<T>({reversed, a.d, count, a.d, transposed, transposed + size});
  rel.transposed = transposed, rel.rows = transposed + size;
  return rel;
}
template RelativePositions<float> pack_relative(const AttentionArgs<float>&, Tensor&);
template RelativePositions<double> pack_relative(const AttentionArgs<double>&, Tensor&);

template <class T>
void attention(const AttentionArgs<T>& a) {
  const std::int64_t heads = a.batches * a.heads;
  if (heads == 0 || a.lq == 0) return;
  const auto kernel = REIN_KERNEL_OF(T, forward);
  const std::int64_t keys = padded_keys(a.lk), k_size = keys * padded(a.d), v_size = keys * padded(a.dv);
  const std::int64_t group = heads_per_group(heads, (k_size + v_size) * static_cast<std::int64_t>(sizeof(T)));
  Tensor memory = Tensor::empty({group * (k_size + v_size)}, dtype_v<T>);
  T* const packed_k = memory.mutable_data<T>();
  T* const packed_v = packed_k + group * k_size;
  const std::int64_t blocks = (a.lq + query_block - 1) / query_block;
  Tensor tables;
  const RelativePositions<T> rel = pack_relative(a, tables);
  for (std::int64_t first = 0; first < heads; first += group) {
    const std::int64_t count = std::min(group, heads - first);
    parallel_for(2 * count, [&](std::int64_t task) {
      const std::int64_t i = task / 2, n = (first + i) / a.heads, h = (first + i) % a.heads;
      if (task % 2 == 0)
        attention_pack<T>(
            {a.k.data + n * a.k.batch_pitch + h * a.d, a.k.row_pitch, a.lk, a.d, packed_k + i * k_size, nullptr});
      else
        attention_pack<T>(
            {a.v.data + n * a.v.batch_pitch + h * a.dv, a.v.row_pitch, a.lk, a.dv, nullptr, packed_v + i * v_size});
    });
    parallel_for(count * blocks, [&](std::int64_t task) {
      const std::int64_t i = task / blocks, n = (first + i) / a.heads, h = (first + i) % a.heads;
      const std::int64_t row = task % blocks * query_block;
      AttentionBlock<T> b{};
      b.q = a.q.data + n * a.q.batch_pitch + row * a.q.row_pitch + h * a.d;
      b.q_pitch = a.q.row_pitch;
      b.queries = std::min(query_block, a.lq - row);
      b.k_transposed = packed_k + i * k_size;
      b.v_rows = packed_v + i * v_size;
      b.lk = a.lk, b.d = a.d, b.dv = a.dv, b.scale = a.scale;
      b.blocked = a.blocked != nullptr ? a.blocked + (n * a.lq + row) * a.lk : nullptr;
      b.out = a.out.data + n * a.out.batch_pitch + row * a.out.row_pitch + h * a.dv;
      b.out_pitch = a.out.row_pitch;
      b.log_sum_exp = a.log_sum_exp + (first + i) * a.lq + row;
      b.rel = rel, b.first_query = row;
      kernel(b, thread_scratch<T>(query_block * (keys + padded(a.d) + padded(a.dv) + rel.pitch())));
    });
  }
}

template <class T>
T* thread_scratch(std::int64_t count) {
  thread_local Tensor memory;
  if (!memory || memory.count() < count) memory = Tensor::empty({count}, dtype_v<T>);
  return memory.mutable_data<T>();
}
template float* thread_scratch<float>(std::int64_t);
template double* thread_scratch<double>(std::int64_t);

template void attention(const AttentionArgs<float>&);
template void attention(const AttentionArgs<double>&);

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
