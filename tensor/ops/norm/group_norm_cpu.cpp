// Both directions run over chunks of pixels that fit into the second-level cache, once for sums and once to write.
// Sums are per channel (vectorised over channels, so a group may have any width) into a line per chunk; lines are
// merged in chunk order in double. Memory is read in one stream, pixel by pixel (several pixels at a time were slower),
// and the writing pass goes backwards, from the chunks that the caches still hold.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/norm/group_norm_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/cpu/simd-inl.h"
#include "tensor/ops/norm/group_norm_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

// Per channel of a chunk: mean, and sum of (x - mean)^2.
template <class T>
void moments(const T* x, std::int64_t pixels, std::int64_t channels, T* mean, T* squares) {
  const hn::ScalableTag<T> d;
  for (std::int64_t c = 0; c < channels; ++c) mean[c] = squares[c] = T(0);
  for (std::int64_t p = 0; p < pixels; ++p) {
    const T* from = x + p * channels;
    for_each_lane(d, channels,
                  [&](auto v, std::int64_t i) { store(hn::Add(load(v, mean + i), load(v, from + i)), v, mean + i); });
  }
  const T inv = T(1) / static_cast<T>(pixels);
  for (std::int64_t c = 0; c < channels; ++c) mean[c] *= inv;
  for (std::int64_t p = 0; p < pixels; ++p) {
    const T* from = x + p * channels;
    for_each_lane(d, channels, [&](auto v, std::int64_t i) {
      const auto e = hn::Sub(load(v, from + i), load(v, mean + i));
      store(hn::MulAdd(e, e, load(v, squares + i)), v, squares + i);
    });
  }
}

// y = (x - mean) * scale + bias, all per channel.
template <class T>
void normalise(const T* x, std::int64_t pixels, std::int64_t channels, const T* mean, const T* scale, const T* bias,
               T* y) {
  const hn::ScalableTag<T> d;
  for (std::int64_t p = 0; p < pixels; ++p, x += channels, y += channels) {
    for_each_lane(d, channels, [&](auto v, std::int64_t i) {
      const auto centred = hn::Sub(load(v, x + i), load(v, mean + i));
      store(hn::MulAdd(centred, load(v, scale + i), load(v, bias + i)), v, y + i);
    });
  }
}

// Per channel of a chunk: sum of grad_out, and of grad_out * xhat.
template <class T>
void gradient_sums(const T* grad_out, const T* x, std::int64_t pixels, std::int64_t channels, const T* mean,
                   const T* rstd, T* sum_g, T* sum_gx) {
  const hn::ScalableTag<T> d;
  for (std::int64_t c = 0; c < channels; ++c) sum_g[c] = sum_gx[c] = T(0);
  for (std::int64_t p = 0; p < pixels; ++p, x += channels, grad_out += channels) {
    for_each_lane(d, channels, [&](auto v, std::int64_t i) {
      const auto g = load(v, grad_out + i), centred = hn::Sub(load(v, x + i), load(v, mean + i));
      store(hn::Add(load(v, sum_g + i), g), v, sum_g + i);
      store(hn::MulAdd(g, centred, load(v, sum_gx + i)), v, sum_gx + i);
    });
  }
  for (std::int64_t c = 0; c < channels; ++c) sum_gx[c] *= rstd[c];
}

// grad_x = grad_out * scale - (x - mean) * slope - shift, all per channel.
template <class T>
void gradient_x(const T* grad_out, const T* x, std::int64_t pixels, std::int64_t channels, const T* mean,
                const T* scale, const T* slope, const T* shift, T* grad_x) {
  const hn::ScalableTag<T> d;
  for (std::int64_t p = 0; p < pixels; ++p, x += channels, grad_out += channels, grad_x += channels) {
    for_each_lane(d, channels, [&](auto v, std::int64_t i) {
      const auto centred = hn::Sub(load(v, x + i), load(v, mean + i));
      const auto scaled = hn::MulSub(load(v, grad_out + i), load(v, scale + i), load(v, shift + i));
      store(hn::NegMulAdd(centred, load(v, slope + i), scaled), v, grad_x + i);
    });
  }
}

#define REIN_GROUP_NORM_KERNELS(T, suffix)                                                                           \
  void moments_##suffix(const T* x, std::int64_t pixels, std::int64_t channels, T* mean, T* squares) {               \
    moments(x, pixels, channels, mean, squares);                                                                     \
  }                                                                                                                  \
  void normalise_##suffix(const T* x, std::int64_t pixels, std::int64_t channels, const T* mean, const T* scale,     \
                          const T* bias, T* y) {                                                                     \
    normalise(x, pixels, channels, mean, scale, bias, y);                                                            \
  }                                                                                                                  \
  void gradient_sums_##suffix(const T* grad_out, const T* x, std::int64_t pixels, std::int64_t channels,             \
                              const T* mean, const T* rstd, T* sum_g, T* sum_gx) {                                   \
    gradient_sums(grad_out, x, pixels, channels, mean, rstd, sum_g, sum_gx);                                         \
  }                                                                                                                  \
  void gradient_x_##suffix(const T* grad_out, const T* x, std::int64_t pixels, std::int64_t channels, const T* mean, \
                           const T* scale, const T* slope, const T* shift, T* grad_x) {                              \
    gradient_x(grad_out, x, pixels, channels, mean, scale, slope, shift, grad_x);                                    \
  }
REIN_GROUP_NORM_KERNELS(float, f32)
REIN_GROUP_NORM_KERNELS(double, f64)
#undef REIN_GROUP_NORM_KERNELS

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "tensor/cpu/dispatch.h"
#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {
HWY_EXPORT(moments_f32);
HWY_EXPORT(moments_f64);
HWY_EXPORT(normalise_f32);
HWY_EXPORT(normalise_f64);
HWY_EXPORT(gradient_sums_f32);
HWY_EXPORT(gradient_sums_f64);
HWY_EXPORT(gradient_x_f32);
HWY_EXPORT(gradient_x_f64);

// The cutting of all pixels of a batch into chunks that do not cross images.
struct Chunks {
  explicit Chunks(const GroupNormSizes& s)
      : sizes(s),
        per_chunk(std::max<std::int64_t>(1, (1 << 14) / s.channels)),
        per_image((s.pixels + per_chunk - 1) / per_chunk) {}
  std::int64_t count() const { return sizes.n * per_image; }
  std::int64_t pixels(std::int64_t chunk) const {
    return std::min(per_chunk, sizes.pixels - chunk % per_image * per_chunk);
  }
  // Offset of a chunk's first element in x.
  std::int64_t start(std::int64_t chunk) const {
    return (chunk / per_image * sizes.pixels + chunk % per_image * per_chunk) * sizes.channels;
  }
  std::int64_t line(std::int64_t chunk) const { return chunk * sizes.channels; }
  // Offset of the line of the chunk's image in an (n, channels) table.
  std::int64_t image_line(std::int64_t chunk) const { return chunk / per_image * sizes.channels; }

  GroupNormSizes sizes;
  std::int64_t per_chunk, per_image;
};

template <class T>
std::vector<T> lines(std::int64_t rows, std::int64_t channels) {
  return std::vector<T>(static_cast<std::size_t>(rows * channels));
}

}  // namespace

template <class T>
void group_norm(const T* x, const T* weight, const T* bias, double eps, const GroupNormSizes& s, T* y, T* mean,
                T* rstd) {
  const Chunks chunks(s);
  auto chunk_mean = lines<T>(chunks.count(), s.channels), chunk_squares = lines<T>(chunks.count(), s.channels);
  const auto moments = REIN_KERNEL_OF(T, moments);
  parallel_for(chunks.count(), [&](std::int64_t chunk) {
    moments(x + chunks.start(chunk), chunks.pixels(chunk), s.channels, chunk_mean.data() + chunks.line(chunk),
            chunk_squares.data() + chunks.line(chunk));
  });

  auto mean_line = lines<T>(s.n, s.channels), scale_line = lines<T>(s.n, s.channels);
  const std::int64_t width = s.channels / s.groups;
  // Per image: sums over chunks per channel (in order, in double), then over the channels of each group.
  parallel_for(s.n, [&](std::int64_t image) {
    const std::int64_t first = image * chunks.per_image, last = first + chunks.per_image;
    const double elements = static_cast<double>(s.pixels) * static_cast<double>(width);
    auto sums = lines<double>(1, s.channels), mu = lines<double>(1, s.channels), squares = lines<double>(1, s.channels);
    for (std::int64_t chunk = first; chunk < last; ++chunk) {
      const T* m = chunk_mean.data() + chunks.line(chunk);
      const auto count = static_cast<double>(chunks.pixels(chunk));
      double* into = sums.data();
      for (std::int64_t c = 0; c < s.channels; ++c) into[c] += count * static_cast<double>(m[c]);
    }
    for (std::int64_t g = 0; g < s.groups; ++g) {
      const auto begin = sums.begin() + g * width;
      std::fill_n(mu.begin() + g * width, width, std::accumulate(begin, begin + width, 0.0) / elements);
    }
    for (std::int64_t chunk = first; chunk < last; ++chunk) {
      const T *m = chunk_mean.data() + chunks.line(chunk), *q = chunk_squares.data() + chunks.line(chunk);
      const auto count = static_cast<double>(chunks.pixels(chunk));
      const double* centre = mu.data();
      double* into = squares.data();
      for (std::int64_t c = 0; c < s.channels; ++c) {
        const double away = static_cast<double>(m[c]) - centre[c];
        into[c] += static_cast<double>(q[c]) + count * away * away;
      }
    }
    for (std::int64_t g = 0; g < s.groups; ++g) {
      const auto begin = squares.begin() + g * width;
      const double variance = std::accumulate(begin, begin + width, 0.0) / elements;
      const std::int64_t i = image * s.groups + g;
      mean[i] = static_cast<T>(mu[static_cast<std::size_t>(g * width)]);
      rstd[i] = static_cast<T>(1 / std::sqrt(variance + eps));
      for (std::int64_t c = g * width; c < (g + 1) * width; ++c) {
        mean_line[static_cast<std::size_t>(image * s.channels + c)] = mean[i];
        scale_line[static_cast<std::size_t>(image * s.channels + c)] = rstd[i] * weight[c];
      }
    }
  });

  const auto normalise = REIN_KERNEL_OF(T, normalise);
  parallel_for(chunks.count(), [&](std::int64_t i) {
    const std::int64_t chunk = chunks.count() - 1 - i;
    normalise(x + chunks.start(chunk), chunks.pixels(chunk), s.channels, mean_line.data() + chunks.image_line(chunk),
              scale_line.data() + chunks.image_line(chunk), bias, y + chunks.start(chunk));
  });
}

template <class T>
void group_norm_backward(const T* grad_out, const T* x, const T* weight, const T* mean, const T* rstd,
                         const GroupNormSizes& s, T* grad_x, T* grad_weight, T* grad_bias) {
  const Chunks chunks(s);
  const std::int64_t width = s.channels / s.groups;
  auto mean_line = lines<T>(s.n, s.channels), rstd_line = lines<T>(s.n, s.channels);
  for (std::int64_t i = 0; i < s.n * s.channels; ++i) {
    mean_line[static_cast<std::size_t>(i)] = mean[i / width];
    rstd_line[static_cast<std::size_t>(i)] = rstd[i / width];
  }

  auto chunk_g = lines<T>(chunks.count(), s.channels), chunk_gx = lines<T>(chunks.count(), s.channels);
  const auto gradient_sums = REIN_KERNEL_OF(T, gradient_sums);
  parallel_for(chunks.count(), [&](std::int64_t chunk) {
    gradient_sums(grad_out + chunks.start(chunk), x + chunks.start(chunk), chunks.pixels(chunk), s.channels,
                  mean_line.data() + chunks.image_line(chunk), rstd_line.data() + chunks.image_line(chunk),
                  chunk_g.data() + chunks.line(chunk), chunk_gx.data() + chunks.line(chunk));
  });
  auto sum_g = lines<double>(s.n, s.channels), sum_gx = lines<double>(s.n, s.channels);
  for (std::int64_t chunk = 0; chunk < chunks.count(); ++chunk) {
    const T *g = chunk_g.data() + chunks.line(chunk), *gx = chunk_gx.data() + chunks.line(chunk);
    double *into_g = sum_g.data() + chunks.image_line(chunk), *into_gx = sum_gx.data() + chunks.image_line(chunk);
    for (std::int64_t c = 0; c < s.channels; ++c) {
      into_g[c] += static_cast<double>(g[c]);
      into_gx[c] += static_cast<double>(gx[c]);
    }
  }
  const auto over_images = [&](const std::vector<double>& sums, T* out) {
    if (out == nullptr) return;
    for (std::int64_t c = 0; c < s.channels; ++c) {
      double sum = 0;
      for (std::int64_t image = 0; image < s.n; ++image) sum += sums[static_cast<std::size_t>(image * s.channels + c)];
      out[c] = static_cast<T>(sum);
    }
  };
  over_images(sum_gx, grad_weight);
  over_images(sum_g, grad_bias);
  if (grad_x == nullptr) return;

  auto scale = lines<T>(s.n, s.channels), slope = lines<T>(s.n, s.channels), shift = lines<T>(s.n, s.channels);
  const double elements = static_cast<double>(s.pixels) * static_cast<double>(width);
  for (std::int64_t i = 0; i < s.n * s.groups; ++i) {
    const std::int64_t first = i * width;  // in an (n, channels) table
    const T* w = weight + i % s.groups * width;
    double mean_g = 0, mean_gx = 0;
    for (std::int64_t c = 0; c < width; ++c) {
      mean_g += static_cast<double>(w[c]) * sum_g[static_cast<std::size_t>(first + c)];
      mean_gx += static_cast<double>(w[c]) * sum_gx[static_cast<std::size_t>(first + c)];
    }
    const double r = static_cast<double>(rstd[i]);
    for (std::int64_t c = 0; c < width; ++c) {
      scale[static_cast<std::size_t>(first + c)] = rstd[i] * w[c];
      slope[static_cast<std::size_t>(first + c)] = static_cast<T>(r * r * mean_gx / elements);
      shift[static_cast<std::size_t>(first + c)] = static_cast<T>(r * mean_g / elements);
    }
  }
  const auto gradient_x = REIN_KERNEL_OF(T, gradient_x);
  parallel_for(chunks.count(), [&](std::int64_t i) {
    const std::int64_t chunk = chunks.count() - 1 - i, line = chunks.image_line(chunk);
    gradient_x(grad_out + chunks.start(chunk), x + chunks.start(chunk), chunks.pixels(chunk), s.channels,
               mean_line.data() + line, scale.data() + line, slope.data() + line, shift.data() + line,
               grad_x + chunks.start(chunk));
  });
}

template void group_norm(const float*, const float*, const float*, double, const GroupNormSizes&, float*, float*,
                         float*);
template void group_norm(const double*, const double*, const double*, double, const GroupNormSizes&, double*, double*,
                         double*);
template void group_norm_backward(const float*, const float*, const float*, const float*, const float*,
                                  const GroupNormSizes&, float*, float*, float*);
template void group_norm_backward(const double*, const double*, const double*, const double*, const double*,
                                  const GroupNormSizes&, double*, double*, double*);

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
