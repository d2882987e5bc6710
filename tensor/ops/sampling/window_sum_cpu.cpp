// A task is a row of the window, or a range of pixels.
#include "tensor/ops/sampling/window_sum_kernels.h"

#include "tensor/parallel.h"

namespace rein::ops::cpu {

template <class T>
void add_window(T* sum, std::int64_t pitch, const T* window, std::int64_t rows, std::int64_t run) {
  parallel_for(rows, [&](std::int64_t y) {
    T* const out = sum + y * pitch;
    const T* const in = window + y * run;
    for (std::int64_t i = 0; i < run; ++i) out[i] += in[i];
  });
}

template <class T>
void divide_by_counts(T* sum, const std::int64_t* counts, std::int64_t pixels, std::int64_t channels) {
  parallel_ranges(pixels, 1 << 10, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const T n = static_cast<T>(counts[p]);
      for (std::int64_t c = 0; c < channels; ++c) sum[p * channels + c] /= n;
    }
  });
}

#define REIN_INSTANTIATE(T)                                                         \
  template void add_window(T*, std::int64_t, const T*, std::int64_t, std::int64_t); \
  template void divide_by_counts(T*, const std::int64_t*, std::int64_t, std::int64_t);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)
#undef REIN_INSTANTIATE

}  // namespace rein::ops::cpu
