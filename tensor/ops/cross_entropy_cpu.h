// CPU kernels behind tensor/ops/cross_entropy.h. logits is (rows, classes). No checks here: the door has made them.
#pragma once

#include <cstdint>

namespace rein::ops::cpu {

// Position of the first label that is neither `ignore` nor in [0, classes); -1 when there is none.
std::int64_t first_bad_label(const std::int64_t* labels, std::int64_t rows, std::int64_t classes, std::int64_t ignore);

// Returns the sum of the rows' losses.
template <class T>
double cross_entropy(const T* logits, const std::int64_t* labels, std::int64_t rows, std::int64_t classes,
                     std::int64_t ignore, T* log_sum);

// grad_logits = scale * (softmax - one-hot label).
template <class T>
void cross_entropy_backward(const T* logits, const std::int64_t* labels, const T* log_sum, std::int64_t rows,
                            std::int64_t classes, std::int64_t ignore, T scale, T* grad_logits);

// Id: std::int64_t or std::uint8_t.
template <class T, class Id>
void argmax_last(const T* logits, std::int64_t rows, std::int64_t classes, Id* ids);

template <class T>
std::int64_t count_hits(const T* logits, const std::int64_t* labels, std::int64_t rows, std::int64_t classes,
                        std::int64_t ignore, std::int64_t* counted);

}  // namespace rein::ops::cpu
