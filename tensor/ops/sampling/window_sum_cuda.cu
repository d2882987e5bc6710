// Who owns what: a thread owns numbers of the window a grid apart, neighbours side by side in memory; no two windows
// are added by one launch, so nothing is shared.
#include "tensor/ops/sampling/window_sum_kernels.h"

#include "tensor/cuda/kernel.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;

template <class T>
__global__ void add_kernel(T* sum, std::int64_t pitch, const T* window, std::int64_t count, std::int64_t run) {
  for (std::int64_t i = global_thread(); i < count; i += global_threads()) sum[i / run * pitch + i % run] += window[i];
}

template <class T>
__global__ void divide_kernel(T* sum, const std::int64_t* counts, std::int64_t count, std::int64_t channels) {
  for (std::int64_t i = global_thread(); i < count; i += global_threads())
    sum[i] /= static_cast<T>(counts[i / channels]);
}

}  // namespace

template <class T>
void add_window(T* sum, std::int64_t pitch, const T* window, std::int64_t rows, std::int64_t run) {
  launch("add_window", add_kernel<T>, blocks_for(rows * run, threads, 65536), threads, 0, sum, pitch, window,
         rows * run, run);
}

template <class T>
void divide_by_counts(T* sum, const std::int64_t* counts, std::int64_t pixels, std::int64_t channels) {
  launch("divide_by_counts", divide_kernel<T>, blocks_for(pixels * channels, threads, 65536), threads, 0, sum, counts,
         pixels * channels, channels);
}

#define REIN_INSTANTIATE(T)                                                         \
  template void add_window(T*, std::int64_t, const T*, std::int64_t, std::int64_t); \
  template void divide_by_counts(T*, const std::int64_t*, std::int64_t, std::int64_t);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)
#undef REIN_INSTANTIATE

}  // namespace rein::ops::cuda
