// Who owns what: threads of a row of the grid stride over the elements of one sample, each making its element's random
// number, the same one as on the CPU. Philox' integer work, not memory, bounds it.
#include "tensor/ops/elementwise/dropout_kernels.h"

#include "tensor/cuda/kernel.h"
#include "tensor/philox.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;

template <class T>
__global__ void dropout_kernel(const T* x, std::uint64_t key, std::uint64_t stream, std::uint64_t first_sample,
                               double p, T kept, std::int64_t samples, std::int64_t count, std::int64_t period, T* y) {
  for (std::int64_t n = blockIdx.y; n < samples; n += gridDim.y) {
    const std::uint64_t of_sample = child_stream(stream, first_sample + static_cast<std::uint64_t>(n));
    for (std::int64_t i = global_thread(); i < count; i += global_threads()) {
      const std::int64_t unit = period == count ? i : period == 1 ? 0 : i % period;
      const bool keep = random_unit(key, of_sample, static_cast<std::uint64_t>(unit)) >= p;
      y[n * count + i] = keep ? x[n * count + i] * kept : T(0);
    }
  }
}

}  // namespace

template <class T>
void dropout(const T* x, RandomKey key, std::int64_t first_sample, double p, std::int64_t samples, std::int64_t count,
             std::int64_t period, T* y) {
  const dim3 grid(blocks_for(count, threads, 4096), static_cast<unsigned>(samples < 65535 ? samples : 65535));
  launch("dropout", dropout_kernel<T>, grid, threads, 0, x, key.key(), key.stream(),
         static_cast<std::uint64_t>(first_sample), p, static_cast<T>(1.0 / (1.0 - p)), samples, count, period, y);
}

template void dropout(const float*, RandomKey, std::int64_t, double, std::int64_t, std::int64_t, std::int64_t, float*);
template void dropout(const double*, RandomKey, std::int64_t, double, std::int64_t, std::int64_t, std::int64_t,
                      double*);

}  // namespace rein::ops::cuda
