// Who owns what: a thread owns a point and makes its whole Philox block; its neighbour makes the same one, which is
// cheaper than exchanging halves where a row begins in the middle of a block.
#include "tensor/ops/sampling/random_points_kernels.h"

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/packed.h"
#include "tensor/philox.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;

__global__ void points_kernel(const std::int64_t* table, std::int64_t total, std::int64_t count, float* points) {
  for (std::int64_t i = global_thread(); i < total; i += global_threads()) {
    const std::int64_t* stream = table + 3 * (i / count);
    const auto place = static_cast<std::uint64_t>(stream[2] + i % count);
    const PhiloxWords block =
        philox_block(static_cast<std::uint64_t>(stream[0]), static_cast<std::uint64_t>(stream[1]), place / 2);
    const bool second = place % 2 != 0;
    Packed<float, 2> point;
    point.at[0] = static_cast<float>((second ? block.at[2] : block.at[0]) >> 8) * 0x1p-24f;
    point.at[1] = static_cast<float>((second ? block.at[3] : block.at[1]) >> 8) * 0x1p-24f;
    store_packed(point, points + 2 * i);
  }
}

}  // namespace

void random_points(const std::int64_t* table, std::int64_t rows, std::int64_t count, float* points) {
  launch("random_points", points_kernel, blocks_for(rows * count, threads, 65536), threads, 0, table, rows * count,
         count, points);
}

}  // namespace rein::ops::cuda
