// One output row at a time: its input rows are mixed into a line (all columns and channels, dense), then every output
// pixel mixes pixels of that line, vectorised over channels. Each output row is made by one thread from inputs alone,
// so results do not depend on the number of threads, and the backward (transposed taps) gathers instead of scattering.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/sampling/resize_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/cpu/simd-inl.h"
#include "tensor/ops/sampling/resize_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

// out[i] = sum over k of weight[k] * src[index[k] * pitch + i] for i in [0, n). The last vector overlaps the one before
// it; fewer elements than a vector has lanes are done under a mask.
template <int K, class T>
HWY_INLINE void mix_lines(const T* src, std::int64_t pitch, const std::int32_t* index, const T* weight,
                          std::int64_t count, std::int64_t n, T* out) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t taps = K == 0 ? count : K;
  const auto at = [&](std::int64_t i) {
    V sum = hn::Mul(hn::Set(d, weight[0]), load(d, src + index[0] * pitch + i));
    for (std::int64_t k = 1; k < taps; ++k) {
      sum = hn::MulAdd(hn::Set(d, weight[k]), load(d, src + index[k] * pitch + i), sum);
    }
    return sum;
  };
  if (n < lanes) {
    const auto mask = hn::FirstN(d, static_cast<std::size_t>(n));
    V sum = hn::Mul(hn::Set(d, weight[0]), hn::MaskedLoad(mask, d, src + index[0] * pitch));
    for (std::int64_t k = 1; k < taps; ++k) {
      sum = hn::MulAdd(hn::Set(d, weight[k]), hn::MaskedLoad(mask, d, src + index[k] * pitch), sum);
    }
    hn::BlendedStore(sum, mask, d, out);
    return;
  }
  std::int64_t i = 0;
  if constexpr (K == 0) {  // many taps: four vectors at a time, so that sums do not wait for each other
    for (; i + 4 * lanes <= n; i += 4 * lanes) {
      const T* from = src + index[0] * pitch + i;
      V w = hn::Set(d, weight[0]);
      V s0 = hn::Mul(w, load(d, from)), s1 = hn::Mul(w, load(d, from + lanes));
      V s2 = hn::Mul(w, load(d, from + 2 * lanes)), s3 = hn::Mul(w, load(d, from + 3 * lanes));
      for (std::int64_t k = 1; k < taps; ++k) {
        from = src + index[k] * pitch + i;
        w = hn::Set(d, weight[k]);
        s0 = hn::MulAdd(w, load(d, from), s0);
        s1 = hn::MulAdd(w, load(d, from + lanes), s1);
        s2 = hn::MulAdd(w, load(d, from + 2 * lanes), s2);
        s3 = hn::MulAdd(w, load(d, from + 3 * lanes), s3);
      }
      store(s0, d, out + i);
      store(s1, d, out + i + lanes);
      store(s2, d, out + i + 2 * lanes);
      store(s3, d, out + i + 3 * lanes);
    }
  }
  for (; i + lanes <= n; i += lanes) store(at(i), d, out + i);
  if (i < n) store(at(n - lanes), d, out + n - lanes);
}

template <class T>
HWY_INLINE void mix_any(const T* src, std::int64_t pitch, const std::int32_t* index, const T* weight,
                        std::int64_t count, std::int64_t n, T* out) {
  switch (count) {
    case 0:
      for (std::int64_t i = 0; i < n; ++i) out[i] = T(0);
      return;
    case 1:
      return mix_lines<1>(src, pitch, index, weight, count, n, out);
    case 2:
      return mix_lines<2>(src, pitch, index, weight, count, n, out);
    case 4:
      return mix_lines<4>(src, pitch, index, weight, count, n, out);
    default:
      return mix_lines<0>(src, pitch, index, weight, count, n, out);
  }
}

// plane: one image (in_h, in_w, channels); line: scratch of in_w * channels; out: one row (out_w, channels).
template <class T>
void output_row(const T* plane, std::int64_t in_w, std::int64_t channels, const std::int32_t* row_index,
                const T* row_weight, std::int64_t row_taps, const Taps<T>& cols, std::int64_t out_w, T* line, T* out) {
  const std::int64_t pitch = in_w * channels;
  const T* mixed = line;
  if (row_taps == 1 && row_weight[0] == T(1)) {
    mixed = plane + row_index[0] * pitch;
  } else {
    mix_any(plane, pitch, row_index, row_weight, row_taps, pitch, line);
  }
  for (std::int64_t x = 0; x < out_w; ++x, out += channels) {
    const std::int64_t first = cols.start[x];
    mix_any(mixed, channels, cols.index + first, cols.weight + first, cols.start[x + 1] - first, channels, out);
  }
}

void output_row_f32(const float* plane, std::int64_t in_w, std::int64_t channels, const std::int32_t* row_index,
                    const float* row_weight, std::int64_t row_taps, const Taps<float>& cols, std::int64_t out_w,
                    float* line, float* out) {
  output_row(plane, in_w, channels, row_index, row_weight, row_taps, cols, out_w, line, out);
}
void output_row_f64(const double* plane, std::int64_t in_w, std::int64_t channels, const std::int32_t* row_index,
                    const double* row_weight, std::int64_t row_taps, const Taps<double>& cols, std::int64_t out_w,
                    double* line, double* out) {
  output_row(plane, in_w, channels, row_index, row_weight, row_taps, cols, out_w, line, out);
}

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <vector>

#include "tensor/cpu/dispatch.h"
#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {
HWY_EXPORT(output_row_f32);
HWY_EXPORT(output_row_f64);
}  // namespace

template <class T>
void resample(const T* x, std::int64_t n, std::int64_t in_h, std::int64_t in_w, std::int64_t channels,
              const Taps<T>& rows, const Taps<T>& cols, std::int64_t out_h, std::int64_t out_w, T* y) {
  const auto kernel = REIN_KERNEL_OF(T, output_row);
  const std::int64_t in_row = in_w * channels, out_row = out_w * channels;
  const std::int64_t grain = std::max<std::int64_t>(1, 2 * elementwise_grain / std::max<std::int64_t>(1, out_row));
  parallel_ranges(n * out_h, grain, [&](std::int64_t begin, std::int64_t end) {
    static thread_local std::vector<T> line;  // kept: a fresh large block would be mapped and cleared every time
    if (static_cast<std::int64_t>(line.size()) < in_row) line.resize(static_cast<std::size_t>(in_row));
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i % out_h, first = rows.start[row];
      kernel(x + i / out_h * in_h * in_row, in_w, channels, rows.index + first, rows.weight + first,
             rows.start[row + 1] - first, cols, out_w, line.data(), y + i * out_row);
    }
  });
}

template void resample(const float*, std::int64_t, std::int64_t, std::int64_t, std::int64_t, const Taps<float>&,
                       const Taps<float>&, std::int64_t, std::int64_t, float*);
template void resample(const double*, std::int64_t, std::int64_t, std::int64_t, std::int64_t, const Taps<double>&,
                       const Taps<double>&, std::int64_t, std::int64_t, double*);

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
