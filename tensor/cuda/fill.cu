// A thread per element, in strides of the whole grid.
#include "tensor/cuda/fill.h"

#include "tensor/cuda/kernel.h"
#include "tensor/dtype.h"

namespace rein::cuda {
namespace {

template <class T>
__global__ void fill_kernel(T* data, T value, std::int64_t count) {
  for (std::int64_t i = global_thread(); i < count; i += global_threads()) data[i] = value;
}

}  // namespace

template <class T>
void fill(T* data, T value, std::int64_t count) {
  launch("fill", fill_kernel<T>, blocks_for(count, 256, 4096), 256, 0, data, value, count);
}

template void fill(double*, double, std::int64_t);
template void fill(float*, float, std::int64_t);
template void fill(bf16_t*, bf16_t, std::int64_t);
template void fill(f16_t*, f16_t, std::int64_t);
template void fill(std::int64_t*, std::int64_t, std::int64_t);
template void fill(std::int32_t*, std::int32_t, std::int64_t);
template void fill(std::uint8_t*, std::uint8_t, std::int64_t);

}  // namespace rein::cuda
