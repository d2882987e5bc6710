// Softmax cross-entropy over the last dimension, and what is decided from the same logits (argmax, pixel accuracy).
//   loss = 1 / divisor * sum over rows with label != ignore of -log softmax(row)[label]
// Equal PyTorch call: cross_entropy(logits, labels, reduction="sum", ignore_index=ignore) / divisor.
// Numerics: the row's maximum is subtracted; losses of rows are added in double, in order, so the result does not
// depend on the number of threads. Rows that are ignored are not read. NaN propagates.
// Labels on a GPU are not checked, because reading them back would stop the step: one outside of its range makes the
// loss and its row's gradient NaN.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

struct CrossEntropyOut {
  Tensor loss;     // ()
  Tensor log_sum;  // like labels, dtype of logits: log of the row's sum of exp(x - max); 0 where ignored
};

// logits (..., K) f32 or f64, labels i64 (...), each in [0, K) or equal to `ignore`. divisor above 0.
CrossEntropyOut cross_entropy(const Tensor& logits, const Tensor& labels, double divisor, std::int64_t ignore);
// grad_out (); the rest as given to and made by cross_entropy. Like logits; 0 in ignored rows.
Tensor cross_entropy_backward(const Tensor& grad_out, const Tensor& logits, const Tensor& labels, const Tensor& log_sum,
                              double divisor, std::int64_t ignore);

// Index of the largest of the last dimension: (..., K) -> (...). Ties go to the lower index; a row with NaN gives its
// first NaN. `ids` is i64, or u8 for K up to 256. Equal PyTorch call: logits.argmax(-1).
Tensor argmax_last(const Tensor& logits, DType ids = DType::i64);

struct Hits {
  std::int64_t hits = 0;     // rows whose argmax is their label
  std::int64_t counted = 0;  // rows that are not ignored
};
// Left where the logits are, i64 (2): hits, counted.
Tensor count_hits(const Tensor& logits, const Tensor& labels, std::int64_t ignore);
// The same, read on the host: on a GPU this waits.
Hits accuracy(const Tensor& logits, const Tensor& labels, std::int64_t ignore);

}  // namespace rein::ops
