// Who owns what: a block of 32 x 8 threads owns 32 channels in a chunk of 256 pixels of one image. A thread sums one
// channel over every eighth pixel; the eight are added in shared memory, and a line of sums per chunk stays in memory.
// Then a block per (image, group) merges the chunks' means and centred squares in double, in a fixed order (the
// parallel variance formula), and a last pass writes, four channels to a thread where rows allow it. Backward has the
// same three steps with the sums of grad_out and of grad_out * xhat. The same bits every time.
#include "tensor/ops/norm/group_norm_kernels.h"

#include "tensor/cuda/add_lines.h"
#include "tensor/cuda/packed.h"
#include "tensor/cuda/scratch.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int chunk_pixels = 256, pixel_rows = 8, group_threads = 256, apply_threads = 256;

// The part of x (n, pixels, channels) that a block of the summing kernels owns.
struct Part {
  std::int64_t image, first, count, channel, line;
  bool there;  // false: the thread is beyond the last channel and only waits at barriers
};

__device__ inline Part part_of(const GroupNormSizes& s, std::int64_t chunks) {
  Part part;
  part.image = blockIdx.x / chunks;
  part.first = blockIdx.x % chunks * chunk_pixels;
  part.count = part.first + chunk_pixels < s.pixels ? chunk_pixels : s.pixels - part.first;
  part.channel = static_cast<std::int64_t>(blockIdx.y) * warp_size + threadIdx.x;
  part.line = static_cast<std::int64_t>(blockIdx.x) * s.channels + part.channel;
  part.there = part.channel < s.channels;
  return part;
}

// The sum over the eight threads of a channel; the same in all of them.
template <class T>
__device__ T column_sum(T value, T* shared) {
  shared[threadIdx.y * warp_size + threadIdx.x] = value;
  __syncthreads();
  T sum = 0;
  for (int y = 0; y < pixel_rows; ++y) sum += shared[y * warp_size + threadIdx.x];
  __syncthreads();
  return sum;
}

// means, squares (n, chunks, channels): mean of a chunk, and sum of (x - mean)^2. The second pass finds x in a cache.
template <class T>
__global__ void moments_kernel(const T* x, GroupNormSizes s, std::int64_t chunks, T* means, T* squares) {
  const Part part = part_of(s, chunks);
  T* shared = dynamic_shared<T>();
  const T* from = x + (part.image * s.pixels + part.first) * s.channels + part.channel;
  T sum = 0;
  if (part.there)
    for (std::int64_t p = threadIdx.y; p < part.count; p += pixel_rows) sum += from[p * s.channels];
  const T mean = column_sum(sum, shared) / static_cast<T>(part.count);
  T square = 0;
  if (part.there) {
    for (std::int64_t p = threadIdx.y; p < part.count; p += pixel_rows) {
      const T away = from[p * s.channels] - mean;
      square += away * away;
    }
  }
  square = column_sum(square, shared);
  if (!part.there || threadIdx.y != 0) return;
  means[part.line] = mean;
  squares[part.line] = square;
}

// A block owns a group of an image: mean and rstd (n, groups).
template <class T>
__global__ void merge_kernel(const T* means, const T* squares, GroupNormSizes s, std::int64_t chunks, double eps,
                             T* mean_out, T* rstd_out) {
  double* shared = dynamic_shared<double>();
  const std::int64_t image = blockIdx.x / s.groups, group = blockIdx.x % s.groups, width = s.channels / s.groups;
  const double elements = static_cast<double>(s.pixels) * static_cast<double>(width);
  const std::int64_t base = image * chunks * s.channels + group * width;
  const auto pixels_of = [&](std::int64_t chunk) {
    const std::int64_t left = s.pixels - chunk * chunk_pixels;
    return static_cast<double>(left < chunk_pixels ? left : chunk_pixels);
  };
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < chunks * width; i += group_threads)
    sum += pixels_of(i / width) * static_cast<double>(means[base + i / width * s.channels + i % width]);
  const double mean = block_sum(sum, shared) / elements;
  double square = 0;
  for (std::int64_t i = threadIdx.x; i < chunks * width; i += group_threads) {
    const std::int64_t at = base + i / width * s.channels + i % width;
    const double away = static_cast<double>(means[at]) - mean;
    square += static_cast<double>(squares[at]) + pixels_of(i / width) * away * away;
  }
  const double variance = block_sum(square, shared) / elements;
  if (threadIdx.x != 0) return;
  mean_out[blockIdx.x] = static_cast<T>(mean);
  rstd_out[blockIdx.x] = static_cast<T>(1 / sqrt(variance + eps));
}

// Runs over x, `pack` neighbouring channels to a thread: body(element, channel, (image, group) of the j-th channel).
template <int pack, class Body>
__device__ void each_pack(const GroupNormSizes& s, Body&& body) {
  const std::int64_t per_pixel = s.channels / pack, per_image = s.pixels * per_pixel, width = s.channels / s.groups;
  for (std::int64_t i = global_thread(); i < s.n * per_image; i += global_threads()) {
    const std::int64_t channel = i % per_pixel * pack, statistics = i / per_image * s.groups;
    body(i * pack, channel, [=](int j) { return statistics + (channel + j) / width; });
  }
}

template <class T, int pack>
__global__ void normalise_kernel(const T* x, const T* weight, const T* bias, const T* mean, const T* rstd,
                                 GroupNormSizes s, T* y) {
  each_pack<pack>(s, [&](std::int64_t at, std::int64_t channel, auto group_of) {
    Packed<T, pack> v = load_packed<T, pack>(x + at);
    for (int j = 0; j < pack; ++j) {
      const std::int64_t g = group_of(j);
      v.at[j] = (v.at[j] - mean[g]) * (rstd[g] * weight[channel + j]) + bias[channel + j];
    }
    store_packed(v, y + at);
  });
}

// lines (n, chunks, 2, channels): of a chunk, the sums of grad_out and of grad_out * xhat.
template <class T>
__global__ void gradient_sums_kernel(const T* grad_out, const T* x, const T* mean, const T* rstd, GroupNormSizes s,
                                     std::int64_t chunks, T* lines) {
  const Part part = part_of(s, chunks);
  T* shared = dynamic_shared<T>();
  const std::int64_t start = (part.image * s.pixels + part.first) * s.channels + part.channel;
  T sum = 0, projected = 0, scale = 0;
  if (part.there) {
    const std::int64_t group = part.image * s.groups + part.channel / (s.channels / s.groups);
    const T centre = mean[group];
    scale = rstd[group];
    for (std::int64_t p = threadIdx.y; p < part.count; p += pixel_rows) {
      const T g = grad_out[start + p * s.channels];
      sum += g;
      projected += g * (x[start + p * s.channels] - centre);
    }
  }
  sum = column_sum(sum, shared);
  projected = column_sum(projected, shared) * scale;
  if (!part.there || threadIdx.y != 0) return;
  T* line = lines + 2 * static_cast<std::int64_t>(blockIdx.x) * s.channels + part.channel;
  line[0] = sum;
  line[s.channels] = projected;
}

// sums (n, 2, channels) -> slope and shift (n, groups); a warp owns a group of an image.
template <class T>
__global__ void slopes_kernel(const double* sums, const T* weight, const T* rstd, GroupNormSizes s, T* slope,
                              T* shift) {
  const std::int64_t i = global_thread() / warp_size, width = s.channels / s.groups;
  if (i >= s.n * s.groups) return;
  const std::int64_t channel = i % s.groups * width;
  const double* of_image = sums + i / s.groups * 2 * s.channels;
  double mean_g = 0, mean_gx = 0;
  for (std::int64_t c = channel + threadIdx.x % warp_size; c < channel + width; c += warp_size) {
    mean_g += static_cast<double>(weight[c]) * of_image[c];
    mean_gx += static_cast<double>(weight[c]) * of_image[s.channels + c];
  }
  mean_g = warp_sum(mean_g);
  mean_gx = warp_sum(mean_gx);
  if (threadIdx.x % warp_size != 0) return;
  const double r = static_cast<double>(rstd[i]), elements = static_cast<double>(s.pixels) * static_cast<double>(width);
  slope[i] = static_cast<T>(r * r * mean_gx / elements);
  shift[i] = static_cast<T>(r * mean_g / elements);
}

// grad_x = grad_out * rstd * weight - (x - mean) * slope - shift.
template <class T, int pack>
__global__ void gradient_x_kernel(const T* grad_out, const T* x, const T* weight, const T* mean, const T* rstd,
                                  const T* slope, const T* shift, GroupNormSizes s, T* grad_x) {
  each_pack<pack>(s, [&](std::int64_t at, std::int64_t channel, auto group_of) {
    const Packed<T, pack> v = load_packed<T, pack>(x + at);
    Packed<T, pack> g = load_packed<T, pack>(grad_out + at);
    for (int j = 0; j < pack; ++j) {
      const std::int64_t i = group_of(j);
      g.at[j] = (g.at[j] * (rstd[i] * weight[channel + j]) - shift[i]) - (v.at[j] - mean[i]) * slope[i];
    }
    store_packed(g, grad_x + at);
  });
}

std::int64_t chunks_of(const GroupNormSizes& s) {
  const std::int64_t chunks = (s.pixels + chunk_pixels - 1) / chunk_pixels;
  require(s.n * chunks < std::int64_t{1} << 31 && s.channels <= 65535 * std::int64_t{warp_size}, "group_norm",
          "takes at most 2^31 chunks of ", chunk_pixels, " pixels and 2^21 channels on CUDA, got ", s.n, " images of ",
          s.pixels, " pixels and ", s.channels, " channels");
  return chunks;
}

dim3 part_grid(const GroupNormSizes& s, std::int64_t chunks) {
  return {static_cast<unsigned>(s.n * chunks), blocks_for(s.channels, warp_size)};
}

template <class T>
constexpr std::size_t column_bytes = warp_size* pixel_rows * sizeof(T);

}  // namespace

template <class T>
void group_norm(const T* x, const T* weight, const T* bias, double eps, const GroupNormSizes& s, T* y, T* mean,
                T* rstd) {
  const char* const name = "group_norm";
  const std::int64_t chunks = chunks_of(s), count = s.n * s.pixels * s.channels;
  Scratch<T> lines(2 * s.n * chunks * s.channels);
  T *means = lines.data(), *squares = means + s.n * chunks * s.channels;
  launch(name, moments_kernel<T>, part_grid(s, chunks), dim3(warp_size, pixel_rows), column_bytes<T>, x, s, chunks,
         means, squares);
  launch(name, merge_kernel<T>, static_cast<unsigned>(s.n * s.groups), group_threads,
         group_threads / warp_size * sizeof(double), means, squares, s, chunks, eps, mean, rstd);
  constexpr int pack = packed_count<T>;
  const bool packs = packable<pack>(s.channels, x, y);
  launch(name, packs ? normalise_kernel<T, pack> : normalise_kernel<T, 1>,
         blocks_for(packs ? count / pack : count, apply_threads, 8192), apply_threads, 0, x, weight, bias, mean, rstd,
         s, y);
}

template <class T>
void group_norm_backward(const T* grad_out, const T* x, const T* weight, const T* mean, const T* rstd,
                         const GroupNormSizes& s, T* grad_x, T* grad_weight, T* grad_bias) {
  const char* const name = "group_norm_backward";
  const std::int64_t chunks = chunks_of(s), count = s.n * s.pixels * s.channels;
  Scratch<T> lines(2 * s.n * chunks * s.channels);
  launch(name, gradient_sums_kernel<T>, part_grid(s, chunks), dim3(warp_size, pixel_rows), column_bytes<T>, grad_out, x,
         mean, rstd, s, chunks, lines.data());
  Scratch<double> sums(2 * s.n * s.channels);
  add_lines(name, lines.data(), s.n, chunks, 2 * s.channels, 1.0, sums.data());
  if (grad_weight != nullptr || grad_bias != nullptr) {
    Scratch<T> both(2 * s.channels);
    add_lines(name, sums.data(), 1, s.n, 2 * s.channels, 1.0, both.data());
    const auto take = [&](T* to, const T* from) {
      if (to != nullptr) on_device(to, from, static_cast<std::size_t>(s.channels) * sizeof(T), current_device());
    };
    take(grad_bias, both.data());
    take(grad_weight, both.data() + s.channels);
  }
  if (grad_x == nullptr) return;
  Scratch<T> slopes(2 * s.n * s.groups);
  T *slope = slopes.data(), *shift = slope + s.n * s.groups;
  launch(name, slopes_kernel<T>, blocks_for(s.n * s.groups * warp_size, group_threads), group_threads, 0, sums.data(),
         weight, rstd, s, slope, shift);
  constexpr int pack = packed_count<T>;
  const bool packs = packable<pack>(s.channels, x, grad_out, grad_x);
  launch(name, packs ? gradient_x_kernel<T, pack> : gradient_x_kernel<T, 1>,
         blocks_for(packs ? count / pack : count, apply_threads, 8192), apply_threads, 0, grad_out, x, weight, mean,
         rstd, slope, shift, s, grad_x);
}

#define REIN_INSTANTIATE(T)                                                                                          \
  template void group_norm(const T*, const T*, const T*, double, const GroupNormSizes&, T*, T*, T*);                 \
  template void group_norm_backward(const T*, const T*, const T*, const T*, const T*, const GroupNormSizes&, T*, T*, \
                                    T*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)
#undef REIN_INSTANTIATE

}  // namespace rein::ops::cuda
