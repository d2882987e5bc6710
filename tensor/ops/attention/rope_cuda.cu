// Who owns what: a block owns a row at a time, a thread a pair of channels or a copied channel in strides of the block.
// Nobody adds to anybody's: x is read once and y written once.
#include "tensor/ops/attention/rope_kernels.h"

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/wide.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;

template <class X, class T, RopePairs pairs>
__global__ void rope_kernel(const X* x, const T* cos, const T* sin, RopeSizes s, T sign, X* y) {
  const std::int64_t turned = s.columns / 2, items = s.cols - turned;
  for (std::int64_t row = blockIdx.x; row < s.batches * s.length; row += gridDim.x) {
    const X* from = x + row * s.cols;
    X* to = y + row * s.cols;
    const std::int64_t place = row % s.length - s.kept_rows;
    for (std::int64_t i = threadIdx.x; i < items; i += threads) {
      if (i >= turned) {
        to[turned + i] = from[turned + i];
        continue;
      }
      const std::int64_t head = i / s.half * 2 * s.half, j = i % s.half;
      const std::int64_t u_at = head + (pairs == RopePairs::half ? j : 2 * j);
      const std::int64_t v_at = u_at + (pairs == RopePairs::half ? s.half : 1);
      if (place < 0) {
        to[u_at] = from[u_at], to[v_at] = from[v_at];
        continue;
      }
      const T u = wide(from[u_at]), v = wide(from[v_at]);
      const T c = cos[place * s.half + j], n = sign * sin[place * s.half + j];
      to[u_at] = narrow<X>(u * c - v * n);
      to[v_at] = narrow<X>(v * c + u * n);
    }
  }
}

}  // namespace

template <class T, class X>
void rope(const X* x, const T* cos, const T* sin, const RopeSizes& s, RopePairs pairs, bool inverse, X* y) {
  launch("rope",
         pairs == RopePairs::half ? rope_kernel<X, T, RopePairs::half> : rope_kernel<X, T, RopePairs::interleaved>,
         blocks_for(s.batches * s.length, 1, 65536), threads, 0, x, cos, sin, s, inverse ? T(-1) : T(1), y);
}

template void rope(const float*, const float*, const float*, const RopeSizes&, RopePairs, bool, float*);
template void rope(const bf16_t*, const float*, const float*, const RopeSizes&, RopePairs, bool, bf16_t*);
template void rope(const double*, const double*, const double*, const RopeSizes&, RopePairs, bool, double*);

}  // namespace rein::ops::cuda
