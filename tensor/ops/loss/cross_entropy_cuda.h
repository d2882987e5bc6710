// CUDA kernels behind tensor/ops/loss/cross_entropy.h: the signatures of cross_entropy_cpu.h, with device addresses.
#pragma once

#include <cstdint>

namespace rein::ops::cuda {

template <class T>
void cross_entropy(const T* logits, const std::int64_t* labels, std::int64_t rows, std::int64_t classes,
                   std::int64_t ignore, double divisor, T* log_sum, T* loss);
template <class T>
void cross_entropy_backward(const T* grad_out, const T* logits, const std::int64_t* labels, const T* log_sum,
                            std::int64_t rows, std::int64_t classes, std::int64_t ignore, double divisor,
                            T* grad_logits);
template <class T, class Id>
void argmax_last(const T* logits, std::int64_t rows, std::int64_t classes, Id* ids);
template <class T>
void count_hits(const T* logits, const std::int64_t* labels, std::int64_t rows, std::int64_t classes,
                std::int64_t ignore, std::int64_t* counts);

}  // namespace rein::ops::cuda
