// Who owns what: a thread per element; then a block per row, which reads the row twice: to see whether a key is open,
// and to copy it or open it. The count of opened rows is a whole number, so the order of its atomics does not matter.
#include "tensor/ops/attention/attention_mask_kernels.h"

#include "tensor/cuda/kernel.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;

template <class T>
__global__ void blocked_kernel(const T* logits, std::int64_t count, std::uint8_t* blocked) {
  for (std::int64_t i = global_thread(); i < count; i += global_threads()) blocked[i] = logits[i] < T(0) ? 1 : 0;
}

__global__ void open_kernel(const std::uint8_t* in, std::int64_t keys, std::uint8_t* out, unsigned long long* opened) {
  const std::uint8_t* from = in + blockIdx.x * keys;
  std::uint8_t* to = out + blockIdx.x * keys;
  int open = 0;
  for (std::int64_t k = threadIdx.x; k < keys; k += threads) open |= from[k] == 0 ? 1 : 0;
  const bool any = block_sum(open, dynamic_shared<int>()) > 0;
  for (std::int64_t k = threadIdx.x; k < keys; k += threads) to[k] = any ? from[k] : std::uint8_t{0};
  if (!any && threadIdx.x == 0) atomicAdd(opened, 1ull);
}

}  // namespace

template <class T>
void blocked_where_negative(const T* logits, std::int64_t count, std::uint8_t* blocked) {
  launch("attention_mask", blocked_kernel<T>, blocks_for(count, threads, 65536), threads, 0, logits, count, blocked);
}

void open_blocked_rows(const std::uint8_t* in, std::int64_t rows, std::int64_t keys, std::uint8_t* out,
                       std::int64_t* opened) {
  require(rows < std::int64_t{1} << 31, "attention_mask", "takes at most 2^31 rows on CUDA, got ", rows);
  launch("attention_mask", open_kernel, static_cast<unsigned>(rows), threads, threads / warp_size * sizeof(int), in,
         keys, out, reinterpret_cast<unsigned long long*>(opened));
}

template void blocked_where_negative(const float*, std::int64_t, std::uint8_t*);
template void blocked_where_negative(const double*, std::int64_t, std::uint8_t*);

}  // namespace rein::ops::cuda
