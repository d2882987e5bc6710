// Who owns what: a warp owns an image and walks its queries 32 at a time: the votes of its lanes say how many matched
// ones stand before each, so places are given out in the order of queries without atomics. take_rows and put_rows: a
// warp owns a row of the longer side's index, its lanes walk the columns; put_rows clears first, and since rows occur
// once no two warps write the same place.
#include "tensor/ops/loss/match_slots_kernels.h"

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/runtime.h"
#include "tensor/cuda/scratch.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;

__global__ void match_kernel(SlotSizes s, const std::int64_t* class_of, const std::uint8_t* present,
                             const std::int64_t* splits, SlotLists out) {
  const int lane = threadIdx.x;
  const std::int64_t n = blockIdx.x;
  const auto inside = [&](std::int64_t split) { return split < 0 ? 0 : split > s.places ? s.places : split; };
  std::int64_t place = inside(splits[n]);
  const std::int64_t end = inside(splits[n + 1]);
  const std::uint8_t* there = present + n * s.classes;
  for (std::int64_t first = 0; first < s.queries; first += warp_size) {
    const std::int64_t q = first + lane, i = n * s.queries + q;
    const std::int64_t k = q < s.queries ? class_of[i] : -1;
    const bool matched = k >= 0 && k < s.classes;
    const unsigned votes = __ballot_sync(all_lanes, matched);
    if (q < s.queries) {
      std::int64_t number = -1;
      if (matched) {
        number = 0;
        for (std::int64_t c = 0; c < k; ++c) number += there[c] != 0 ? 1 : 0;
      }
      out.targets[i] = number;
      out.free[i] = matched ? -1 : s.classes;
    }
    const std::int64_t mine = place + __popc(votes & ((1u << lane) - 1u));
    if (matched && mine < end) {
      out.rows[mine] = i;
      out.image[mine] = n;
      out.of_class[mine] = k;
    }
    place += __popc(votes);
  }
  for (place += lane; place < end; place += warp_size) out.rows[place] = out.image[place] = out.of_class[place] = -1;
}

template <class T>
__global__ void take_kernel(const T* x, std::int64_t length, std::int64_t cols, const std::int64_t* rows,
                            std::int64_t count, T* y) {
  for (std::int64_t t = global_thread() / warp_size; t < count; t += global_threads() / warp_size) {
    const std::int64_t row = rows[t];
    const bool real = row >= 0 && row < length;
    for (std::int64_t c = threadIdx.x % warp_size; c < cols; c += warp_size)
      y[t * cols + c] = real ? x[row * cols + c] : T(0);
  }
}

template <class T>
__global__ void put_kernel(const T* x, std::int64_t length, std::int64_t cols, const std::int64_t* rows,
                           std::int64_t count, T* y) {
  for (std::int64_t t = global_thread() / warp_size; t < count; t += global_threads() / warp_size) {
    const std::int64_t row = rows[t];
    if (row < 0 || row >= length) continue;
    for (std::int64_t c = threadIdx.x % warp_size; c < cols; c += warp_size) y[row * cols + c] = x[t * cols + c];
  }
}

unsigned grid_of_rows(std::int64_t rows) {
  return blocks_for(rows * warp_size, threads, 65536);
}

}  // namespace

void match_slots(const SlotSizes& s, const std::int64_t* class_of, const std::uint8_t* present,
                 const std::int64_t* splits, const SlotLists& out) {
  require(s.images < std::int64_t{1} << 31, "match_slots", "takes at most 2^31 images on CUDA, got ", s.images);
  launch("match_slots", match_kernel, static_cast<unsigned>(s.images), warp_size, 0, s, class_of, present, splits, out);
}

template <class T>
void take_rows(const T* x, std::int64_t length, std::int64_t cols, const std::int64_t* rows, std::int64_t count, T* y) {
  launch("take_rows", take_kernel<T>, grid_of_rows(count), threads, 0, x, length, cols, rows, count, y);
}

template <class T>
void put_rows(const T* x, std::int64_t length, std::int64_t cols, const std::int64_t* rows, std::int64_t count, T* y) {
  fill_bytes(y, 0, static_cast<std::size_t>(length * cols) * sizeof(T), current_device());
  launch("put_rows", put_kernel<T>, grid_of_rows(count), threads, 0, x, length, cols, rows, count, y);
}

#define REIN_INSTANTIATE(T)                                                                             \
  template void take_rows(const T*, std::int64_t, std::int64_t, const std::int64_t*, std::int64_t, T*); \
  template void put_rows(const T*, std::int64_t, std::int64_t, const std::int64_t*, std::int64_t, T*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)
#undef REIN_INSTANTIATE

}  // namespace rein::ops::cuda
