// The pieces of work that attention hands to its kernels.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/ops/attention/attention_kernels.h"
#include "tensor/ops/attention/attention_layout.h"
#include "tensor/parallel.h"
#include "tensor/tensor.h"

namespace rein::ops::cpu {

// Copies of one head's rows: transposed panels, padded rows, or both (null: not wanted). Layouts:
// attention_kernels-inl.h.
template <class T>
struct AttentionPack {
  const T* x;
  std::int64_t pitch, rows, d;
  T* transposed;
  T* packed;
};
template <class T>
void attention_pack(const AttentionPack<T>& pack);

// The tables of relative positions of a map, one below the other, each from its last row to its first: the terms of a
// query then lie in the order of the keys' rows and columns. Packed as one head's keys are.
template <class T>
struct RelativePositions {
  const T *transposed = nullptr, *rows = nullptr;  // null: no relative positions
  std::int64_t height = 0, width = 0;

  std::int64_t count() const { return transposed == nullptr ? 0 : 2 * height - 1 + 2 * width - 1; }
  std::int64_t pitch() const { return padded_keys(count()); }  // of a row of terms: 0 without positions
};
// `memory` keeps what the result points to.
template <class T>
RelativePositions<T> pack_relative(const AttentionArgs<T>& args, Tensor& memory);

// A block of at most query_block queries of one head.
template <class T>
struct AttentionBlock {
  const T* q;
  std::int64_t q_pitch, queries;
  const T *k_transposed, *v_rows;
  std::int64_t lk, d, dv;
  T scale;
  const std::uint8_t* blocked;  // (queries, lk) or null
  T* out;
  std::int64_t out_pitch;
  T* log_sum_exp;
  RelativePositions<T> rel;
  std::int64_t first_query;  // place of the first query in the map
};

// A part of the queries of one head, for backward: writes grad_q, and this part's share of the gradients of k and v.
template <class T>
struct AttentionPart {
  const T *q, *grad_out, *out;
  std::int64_t q_pitch, grad_pitch, out_pitch, queries;
  const T* log_sum_exp;
  const T *k_transposed, *v_transposed, *k_rows;
  std::int64_t lk, d, dv;
  T scale;
  const std::uint8_t* blocked;  // (queries, lk) or null
  T* grad_q;                    // null: not wanted, as the next two
  std::int64_t grad_q_pitch;
  T *sum_k, *sum_v;  // padded_keys x padded width; sum_k still lacks the factor `scale`
  RelativePositions<T> rel;
  std::int64_t first_query;
  T* sum_rel;  // rel.pitch() x padded width, in the order of rel
};

// Heads packed at a time: enough tasks for every thread and few barriers, in memory that a last-level cache holds;
// groups of about one size. Results do not depend on it.
inline std::int64_t heads_per_group(std::int64_t heads, std::int64_t bytes_per_head) {
  constexpr std::int64_t budget = std::int64_t{16} << 20;
  const std::int64_t most = std::max<std::int64_t>(2 * thread_count(), budget / bytes_per_head);
  const std::int64_t groups = (heads + most - 1) / most;
  return (heads + groups - 1) / groups;
}

}  // namespace rein::ops::cpu
