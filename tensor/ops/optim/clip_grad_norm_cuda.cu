// Who owns what: slot_table_cuda.h gives a block 4096 neighbouring elements of one tensor. A block leaves one sum of
// squares; then one block adds all of them, each thread in order and the threads in order: the same bits every time.
// The factor is found by every thread of the scaling launch from the norm on the device.
#include "tensor/ops/optim/clip_grad_norm_kernels.h"

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/scratch.h"
#include "tensor/ops/optim/slot_table_cuda.h"

namespace rein::ops::cuda {
namespace {

constexpr int threads = slot_threads;

template <class T>
using Table = SlotTable<ClipSlot<T>>;

template <class T>
__global__ void squares_kernel(const Table<T> table, double* sums) {
  __shared__ double scratch[threads / warp_size];
  const auto part = table.part();
  const T* from = table.slot[part.slot].from;
  double sum = 0;
  for (std::int64_t i = part.begin + threadIdx.x; i < part.end; i += threads) {
    const double x = static_cast<double>(from[i]);
    sum += x * x;
  }
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// One block.
__global__ void add_sums_kernel(const double* sums, std::int64_t count, double* total) {
  __shared__ double scratch[threads / warp_size];
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += threads) sum += sums[i];
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) *total += sum;
}

__global__ void root_kernel(const double* squares, double* norm) {
  *norm = sqrt(*squares);
}

template <class T>
__global__ void scale_kernel(const Table<T> table, const double* norm, double max_norm) {
  const double factor = max_norm / (*norm + 1e-6);
  if (!(*norm <= 1.7976931348623157e308) || factor >= 1) return;
  const auto part = table.part();
  T* to = table.slot[part.slot].to;
  for (std::int64_t i = part.begin + threadIdx.x; i < part.end; i += threads) to[i] *= static_cast<T>(factor);
}

}  // namespace

template <class T>
void sum_squares(std::span<const ClipSlot<T>> slots, bool add, double* squares) {
  if (!add) fill_bytes(squares, 0, sizeof(double), current_device());
  for_tables("clip_grad_norm", slots, [&](const Table<T>& table, unsigned blocks) {
    Scratch<double> sums(blocks);
    launch("clip_squares", squares_kernel<T>, blocks, threads, 0, table, sums.data());
    launch("clip_squares", add_sums_kernel, 1, threads, 0, sums.data(), blocks, squares);
  });
}

void norm_of_squares(const double* squares, double* norm) {
  launch("clip_norm", root_kernel, 1, 1, 0, squares, norm);
}

template <class T>
void scale_to_norm(std::span<const ClipSlot<T>> slots, const double* norm, double max_norm) {
  for_tables("clip_grad_norm", slots, [&](const Table<T>& table, unsigned blocks) {
    launch("clip_scale", scale_kernel<T>, blocks, threads, 0, table, norm, max_norm);
  });
}

#define REIN_INSTANTIATE(T)                                               \
  template void sum_squares(std::span<const ClipSlot<T>>, bool, double*); \
  template void scale_to_norm(std::span<const ClipSlot<T>>, const double*, double)
REIN_INSTANTIATE(float);
REIN_INSTANTIATE(double);

}  // namespace rein::ops::cuda
