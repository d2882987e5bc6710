// The kernels behind cross_entropy.h. logits is (rows, classes). No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

REIN_KERNELS(
    // *loss = sum of the rows' losses / divisor.
    template <class T>
    void cross_entropy(const T* logits, const std::int64_t* labels, std::int64_t rows, std::int64_t classes,
                       std::int64_t ignore, double divisor, T* log_sum, T* loss);
    // grad_logits = *grad_out / divisor * (softmax - one-hot label).
    template <class T> void cross_entropy_backward(const T* grad_out, const T* logits, const std::int64_t* labels,
                                                   const T* log_sum, std::int64_t rows, std::int64_t classes,
                                                   std::int64_t ignore, double divisor, T* grad_logits);
    // Id: std::int64_t or std::uint8_t.
    template <class T, class Id> void argmax_last(const T* logits, std::int64_t rows, std::int64_t classes, Id* ids);
    // counts (2): rows whose argmax is their label, and rows that are not ignored.
    template <class T> void count_hits(const T* logits, const std::int64_t* labels, std::int64_t rows,
                                       std::int64_t classes, std::int64_t ignore, std::int64_t* counts);)

namespace cpu {

// Position of the first label that is neither `ignore` nor in [0, classes); -1 when there is none.
std::int64_t first_bad_label(const std::int64_t* labels, std::int64_t rows, std::int64_t classes, std::int64_t ignore);

}  // namespace cpu

}  // namespace rein::ops
