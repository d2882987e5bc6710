// The kernels behind attention.h. No checks here: the door has made them.
#pragma once

#include <cstdint>
#include <type_traits>

#include "tensor/dtype.h"
#include "tensor/ops/kernels.h"

namespace rein::ops {

// Rows of one operand: head h of batch n starts at data + n * batch_pitch + h * (head width).
template <class T>
struct AttentionRows {
  T* data = nullptr;  // null: not wanted
  std::int64_t row_pitch = 0, batch_pitch = 0;
};

// What scores and their statistics are where the operands are T.
template <class T>
using AttentionReal = std::conditional_t<std::is_same_v<T, bf16_t>, float, T>;

template <class T>
struct AttentionArgs {
  AttentionRows<const T> q, k, v;
  std::int64_t batches, heads, lq, lk, d, dv;
  AttentionReal<T> scale;
  const std::uint8_t* blocked;    // (batches, lq, lk) or null
  AttentionRows<T> out;           // written by forward, read by backward
  AttentionReal<T>* log_sum_exp;  // (batches, heads, lq), likewise
  // Relative positions of a map of height x width = lq = lk places; null: none.
  const T *rel_height = nullptr, *rel_width = nullptr;
  std::int64_t height = 0, width = 0;
};

template <class T>
struct AttentionGradArgs {
  AttentionRows<const T> out;
  AttentionRows<T> q, k, v;
  T *rel_height = nullptr, *rel_width = nullptr;  // null: not wanted
};

REIN_KERNELS(template <class T> void attention(const AttentionArgs<T>& args); template <class T>
             void attention_backward(const AttentionArgs<T>& args, const AttentionGradArgs<T>& grads);)

namespace cpu {

// Plain loops over a materialised matrix.
template <class T>
void attention_reference(const AttentionArgs<T>& args);

template <class T>
void attention_reference_backward(const AttentionArgs<T>& args, const AttentionGradArgs<T>& grads);

}  // namespace cpu

}  // namespace rein::ops
