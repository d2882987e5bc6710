// Who owns what: a thread owns up to 16 bytes of channels of one output pixel, neighbouring threads neighbouring
// channels; blockIdx.x walks along an output row, blockIdx.y over the rows of all images. As on the CPU, a pixel is a
// mix of columns, each of which is a mix of rows; nothing is kept between the two, since neighbours read the same few
// input pixels from the cache. The backward is the same kernel with transposed taps: a gather, the same bits every
// time.
#include "tensor/ops/sampling/resize_kernels.h"

#include "tensor/cuda/packed.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 128;

template <class T>
struct Sizes {
  const T* x;
  std::int64_t in_h, in_w, channels, out_rows;
  int out_h, row_packs, pixel_packs;  // packs in an output row and in a pixel
};

template <class T, int N>
__global__ void resample_kernel(Sizes<T> s, Taps<T> rows, Taps<T> cols, T* y) {
  const int at = static_cast<int>(blockIdx.x) * threads + static_cast<int>(threadIdx.x);
  if (at >= s.row_packs) return;
  const int column = at / s.pixel_packs;
  const std::int64_t channel = static_cast<std::int64_t>(at % s.pixel_packs) * N;
  const std::int64_t col_first = cols.start[column], col_last = cols.start[column + 1];
  const std::int64_t pitch = s.in_w * s.channels;
  for (std::int64_t i = blockIdx.y; i < s.out_rows; i += gridDim.y) {
    const std::int64_t row = i % s.out_h, row_first = rows.start[row], row_last = rows.start[row + 1];
    const T* plane = s.x + i / s.out_h * s.in_h * pitch + channel;
    Packed<T, N> sum{};
    for (std::int64_t q = col_first; q < col_last; ++q) {
      const T* from = plane + cols.index[q] * s.channels;
      Packed<T, N> mixed{};
      for (std::int64_t r = row_first; r < row_last; ++r) {
        const T weight = rows.weight[r];
        const Packed<T, N> value = load_packed<T, N>(from + rows.index[r] * pitch);
        for (int e = 0; e < N; ++e) mixed.at[e] = fma(weight, value.at[e], mixed.at[e]);
      }
      const T weight = cols.weight[q];
      for (int e = 0; e < N; ++e) sum.at[e] = fma(weight, mixed.at[e], sum.at[e]);
    }
    store_packed(sum, y + (i * s.row_packs + at) * N);
  }
}

template <class T, int N>
void run(const T* x, std::int64_t n, std::int64_t in_h, std::int64_t in_w, std::int64_t channels, const Taps<T>& rows,
         const Taps<T>& cols, std::int64_t out_h, std::int64_t out_w, T* y) {
  const std::int64_t row_packs = out_w * channels / N, out_rows = n * out_h;
  require(row_packs < std::int64_t{1} << 31, "resize", "an output row must have less than 2^31 values on CUDA, got ",
          row_packs);
  if (row_packs == 0) return;
  const Sizes<T> sizes{x,
                       in_h,
                       in_w,
                       channels,
                       out_rows,
                       static_cast<int>(out_h),
                       static_cast<int>(row_packs),
                       static_cast<int>(channels / N)};
  const unsigned lines = static_cast<unsigned>(out_rows < 65535 ? out_rows : 65535);
  launch("resize", resample_kernel<T, N>, dim3(blocks_for(row_packs, threads, std::int64_t{1} << 31), lines), threads,
         0, sizes, rows, cols, y);
}

}  // namespace

template <class T>
void resample(const T* x, std::int64_t n, std::int64_t in_h, std::int64_t in_w, std::int64_t channels,
              const Taps<T>& rows, const Taps<T>& cols, std::int64_t out_h, std::int64_t out_w, T* y) {
  constexpr int N = packed_count<T>;
  const bool packs = packable<N>(channels, x, y);
  (packs ? run<T, N> : run<T, 1>)(x, n, in_h, in_w, channels, rows, cols, out_h, out_w, y);
}

template void resample(const float*, std::int64_t, std::int64_t, std::int64_t, std::int64_t, const Taps<float>&,
                       const Taps<float>&, std::int64_t, std::int64_t, float*);
template void resample(const double*, std::int64_t, std::int64_t, std::int64_t, std::int64_t, const Taps<double>&,
                       const Taps<double>&, std::int64_t, std::int64_t, double*);

}  // namespace rein::ops::cuda
