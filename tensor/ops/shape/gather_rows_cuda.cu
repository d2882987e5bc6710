// Who owns what: a warp owns a row of the result, its lanes walk the channels; where there are fewer channels than
// lanes (points have two) a thread owns one number. Backward: a warp owns a row of x; it looks at 32 entries of the
// index at a time and adds the rows that were taken from its own, in the order of k, so there are no atomics and the
// bits are the same every time.
#include "tensor/ops/shape/gather_rows_kernels.h"

#include "tensor/cuda/kernel.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;

template <class T>
__global__ void gather_kernel(GatherSizes s, const T* x, const std::int64_t* index, T* y) {
  const std::int64_t step = global_threads() / warp_size;
  for (std::int64_t row = global_thread() / warp_size; row < s.batches * s.taken; row += step) {
    const std::int64_t from = index[row];
    const bool real = from >= 0 && from < s.length;
    const T* values = x + (row / s.taken * s.length + (real ? from : 0)) * s.channels;
    for (std::int64_t c = threadIdx.x % warp_size; c < s.channels; c += warp_size)
      y[row * s.channels + c] = real ? values[c] : T(NAN);
  }
}

template <class T>
__global__ void gather_narrow_kernel(GatherSizes s, const T* x, const std::int64_t* index, T* y) {
  const std::int64_t count = s.batches * s.taken * s.channels;
  for (std::int64_t i = global_thread(); i < count; i += global_threads()) {
    const std::int64_t row = i / s.channels, c = i % s.channels, from = index[row];
    y[i] = from >= 0 && from < s.length ? x[(row / s.taken * s.length + from) * s.channels + c] : T(NAN);
  }
}

template <class T>
__global__ void gather_backward_kernel(GatherSizes s, const T* grad_out, const std::int64_t* index, T* grad_x) {
  const int lane = threadIdx.x % warp_size;
  const std::int64_t step = global_threads() / warp_size;
  for (std::int64_t row = global_thread() / warp_size; row < s.batches * s.length; row += step) {
    const std::int64_t n = row / s.length, own = row % s.length;
    T* to = grad_x + row * s.channels;
    for (std::int64_t c = lane; c < s.channels; c += warp_size) to[c] = T(0);
    for (std::int64_t k = 0; k < s.taken; k += warp_size) {
      const unsigned mine = __ballot_sync(all_lanes, k + lane < s.taken && index[n * s.taken + k + lane] == own);
      for (int bit = 0; bit < warp_size; ++bit) {
        if ((mine >> bit & 1u) == 0) continue;
        const T* from = grad_out + (n * s.taken + k + bit) * s.channels;
        for (std::int64_t c = lane; c < s.channels; c += warp_size) to[c] += from[c];
      }
    }
  }
}

}  // namespace

template <class T>
void gather_rows(const GatherSizes& s, const T* x, const std::int64_t* index, T* y) {
  const bool narrow = s.channels < warp_size;
  launch("gather_rows", narrow ? gather_narrow_kernel<T> : gather_kernel<T>,
         blocks_for(s.batches * s.taken * (narrow ? s.channels : warp_size), threads, 65536), threads, 0, s, x, index,
         y);
}

template <class T>
void gather_rows_backward(const GatherSizes& s, const T* grad_out, const std::int64_t* index, T* grad_x) {
  launch("gather_rows_backward", gather_backward_kernel<T>,
         blocks_for(s.batches * s.length * warp_size, threads, 65536), threads, 0, s, grad_out, index, grad_x);
}

template void gather_rows(const GatherSizes&, const float*, const std::int64_t*, float*);
template void gather_rows(const GatherSizes&, const double*, const std::int64_t*, double*);
template void gather_rows_backward(const GatherSizes&, const float*, const std::int64_t*, float*);
template void gather_rows_backward(const GatherSizes&, const double*, const std::int64_t*, double*);

}  // namespace rein::ops::cuda
