// A task is one sequence: its rows are copied, or added in the order of k, by one thread. So a row that was taken
// several times has one sum in one order.
#include "tensor/ops/shape/gather_rows_kernels.h"

#include <algorithm>
#include <cstring>

#include "tensor/parallel.h"

namespace rein::ops::cpu {

template <class T>
void gather_rows(const GatherSizes& s, const T* x, const std::int64_t* index, T* y) {
  parallel_for(s.batches, [&](std::int64_t n) {
    for (std::int64_t k = 0; k < s.taken; ++k)
      std::memcpy(y + (n * s.taken + k) * s.channels, x + (n * s.length + index[n * s.taken + k]) * s.channels,
                  static_cast<std::size_t>(s.channels) * sizeof(T));
  });
}

template <class T>
void gather_rows_backward(const GatherSizes& s, const T* grad_out, const std::int64_t* index, T* grad_x) {
  parallel_for(s.batches, [&](std::int64_t n) {
    T* grads = grad_x + n * s.length * s.channels;
    std::fill_n(grads, s.length * s.channels, T(0));
    for (std::int64_t k = 0; k < s.taken; ++k) {
      const T* from = grad_out + (n * s.taken + k) * s.channels;
      T* to = grads + index[n * s.taken + k] * s.channels;
      for (std::int64_t c = 0; c < s.channels; ++c) to[c] += from[c];
    }
  });
}

template void gather_rows(const GatherSizes&, const float*, const std::int64_t*, float*);
template void gather_rows(const GatherSizes&, const double*, const std::int64_t*, double*);
template void gather_rows_backward(const GatherSizes&, const float*, const std::int64_t*, float*);
template void gather_rows_backward(const GatherSizes&, const double*, const std::int64_t*, double*);

}  // namespace rein::ops::cpu
