// Who owns what: a thread owns four neighbours, read and written in one access each, in strides of the whole grid; the
// last threads take what is left one by one, and all elements where an address is not aligned for four.
#include "tensor/ops/elementwise/cast_cuda.h"

#include "tensor/cuda/packed.h"
#include "tensor/ops/elementwise/cast_convert.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;

// The first `fours` groups of four, then elements [4 fours, count).
template <class From, class To>
__global__ void cast_kernel(const From* from, std::int64_t fours, std::int64_t count, To* to) {
  for (std::int64_t i = global_thread(); i < fours; i += global_threads()) {
    const Packed<From, 4> values = load_packed<From, 4>(from + 4 * i);
    Packed<To, 4> out;
    for (int k = 0; k < 4; ++k) out.at[k] = convert<To>(widened(values.at[k]));
    store_packed(out, to + 4 * i);
  }
  for (std::int64_t i = 4 * fours + global_thread(); i < count; i += global_threads())
    to[i] = convert<To>(widened(from[i]));
}

}  // namespace

template <class From, class To>
void cast(const From* from, std::int64_t count, To* to) {
  const std::int64_t fours = packable<4>(0, from) && packable<4>(0, to) ? count / 4 : 0;
  launch("cast", cast_kernel<From, To>, blocks_for(fours > 0 ? fours : count, threads, 16384), threads, 0, from, fours,
         count, to);
}

#define REIN_INSTANTIATE(From, To) template void cast(const From*, std::int64_t, To*);
#define REIN_INSTANTIATE_FROM(From, A, B, C, D, E, F) \
  REIN_INSTANTIATE(From, A)                           \
  REIN_INSTANTIATE(From, B)                           \
  REIN_INSTANTIATE(From, C)                           \
  REIN_INSTANTIATE(From, D)                           \
  REIN_INSTANTIATE(From, E)                           \
  REIN_INSTANTIATE(From, F)
REIN_INSTANTIATE_FROM(double, float, bf16_t, f16_t, std::int64_t, std::int32_t, std::uint8_t)
REIN_INSTANTIATE_FROM(float, double, bf16_t, f16_t, std::int64_t, std::int32_t, std::uint8_t)
REIN_INSTANTIATE_FROM(bf16_t, double, float, f16_t, std::int64_t, std::int32_t, std::uint8_t)
REIN_INSTANTIATE_FROM(f16_t, double, float, bf16_t, std::int64_t, std::int32_t, std::uint8_t)
REIN_INSTANTIATE_FROM(std::int64_t, double, float, bf16_t, f16_t, std::int32_t, std::uint8_t)
REIN_INSTANTIATE_FROM(std::int32_t, double, float, bf16_t, f16_t, std::int64_t, std::uint8_t)
REIN_INSTANTIATE_FROM(std::uint8_t, double, float, bf16_t, f16_t, std::int64_t, std::int32_t)

}  // namespace rein::ops::cuda
