// Who owns what: a thread owns a point of a row; points of a row are neighbours, so points and results are read and
// written side by side, and the four pixels come from the caches (a map is 64 KB). Backward adds to pixels that belong
// to nobody: by atomics on whole numbers (tensor/cuda/whole_sums.h). The smallest magnitudes of a row are one block's:
// it finds the value of the last taken element digit by digit, from counts in shared memory, then writes the indices in
// ascending order, a block's width of elements at a time.
#include "tensor/ops/sampling/point_sample_kernels.h"

#include "tensor/cuda/scratch.h"
#include "tensor/cuda/whole_sums.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;

// The four pixels of a point and their weights; pixels outside of the map have weight 0 and stand at 0.
template <class T>
struct Taps {
  std::int64_t place[4] = {};
  T weight[4] = {};
  bool inside[4] = {};

  __device__ Taps(const float* point, std::int64_t h, std::int64_t w) {
    const T x = static_cast<T>(point[0]) * static_cast<T>(w) - T(0.5);
    const T y = static_cast<T>(point[1]) * static_cast<T>(h) - T(0.5);
    if (!(x > T(-1) && x < static_cast<T>(w) && y > T(-1) && y < static_cast<T>(h))) return;
    const auto kx = static_cast<std::int64_t>(floor(x)), ky = static_cast<std::int64_t>(floor(y));
    const T fx = x - static_cast<T>(kx), fy = y - static_cast<T>(ky);
    for (int i = 0; i < 4; ++i) {
      const std::int64_t px = kx + (i & 1), py = ky + (i >> 1);
      if (px < 0 || px >= w || py < 0 || py >= h) continue;
      place[i] = py * w + px;
      weight[i] = ((i & 1) != 0 ? fx : T(1) - fx) * ((i >> 1) != 0 ? fy : T(1) - fy);
      inside[i] = true;
    }
  }
};

// body(element of (rows, points), row, its point) for every point of every row; `sharing` rows in turn have one set.
template <class Body>
__device__ void each_point(const float* points, std::int64_t row_count, std::int64_t point_count, std::int64_t sharing,
                           Body&& body) {
  for (std::int64_t i = global_thread(); i < row_count * point_count; i += global_threads()) {
    const std::int64_t row = i / point_count;
    body(i, row, points + 2 * (row / sharing * point_count + i % point_count));
  }
}

template <class T>
__global__ void sample_kernel(const T* maps, std::int64_t map_count, std::int64_t h, std::int64_t w,
                              const std::int64_t* rows, std::int64_t row_count, const float* points,
                              std::int64_t point_count, std::int64_t sharing, T* out) {
  each_point(points, row_count, point_count, sharing, [&](std::int64_t i, std::int64_t t, const float* point) {
    const std::int64_t row = rows != nullptr ? rows[t] : t;
    T sum = row == -1 ? T(0) : T(NAN);
    if (row >= 0 && row < map_count) {
      const Taps<T> taps(point, h, w);
      const T* map = maps + row * h * w;
      sum = 0;
      for (int k = 0; k < 4; ++k)
        if (taps.inside[k]) sum = fma(map[taps.place[k]], taps.weight[k], sum);
    }
    out[i] = sum;
  });
}

template <class T>
__global__ void add_kernel(const T* grad_out, const std::int64_t* rows, std::int64_t row_count, const float* points,
                           std::int64_t point_count, std::int64_t sharing, std::int64_t maps, std::int64_t h,
                           std::int64_t w, const Whole* top, int count_log2, Whole* sums) {
  const double unit = unit_of(from_bits(*top), count_log2);
  each_point(points, row_count, point_count, sharing, [&](std::int64_t i, std::int64_t t, const float* point) {
    const std::int64_t row = rows != nullptr ? rows[t] : t;
    if (row < 0 || row >= maps) return;
    const Taps<T> taps(point, h, w);
    for (int k = 0; k < 4; ++k)
      if (taps.inside[k])
        add_whole(sums + row * h * w + taps.place[k],
                  static_cast<double>(grad_out[i]) * static_cast<double>(taps.weight[k]), unit);
  });
}

template <class T, class Label>
__global__ void mask_kernel(const Label* labels, std::int64_t image_count, std::int64_t h, std::int64_t w,
                            const std::int64_t* images, const std::int64_t* classes, std::int64_t row_count,
                            const float* points, std::int64_t point_count, std::int64_t sharing, T* out) {
  each_point(points, row_count, point_count, sharing, [&](std::int64_t i, std::int64_t t, const float* point) {
    const std::int64_t image = images[t];
    T sum = image == -1 ? T(0) : T(NAN);
    if (image >= 0 && image < image_count) {
      const Taps<T> taps(point, h, w);
      const Label* map = labels + image * h * w;
      sum = 0;
      for (int k = 0; k < 4; ++k)
        if (taps.inside[k] && static_cast<std::int64_t>(map[taps.place[k]]) == classes[t]) sum += taps.weight[k];
    }
    out[i] = sum;
  });
}

// A thread owns a point of all classes: the labels are read once.
template <class T, class Label>
__global__ void classes_kernel(const Label* labels, std::int64_t images, std::int64_t h, std::int64_t w,
                               const std::int64_t* classes, std::int64_t class_count, const float* points,
                               std::int64_t point_count, T* out) {
  for (std::int64_t i = global_thread(); i < images * point_count; i += global_threads()) {
    const std::int64_t n = i / point_count, p = i % point_count;
    const Taps<T> taps(points + 2 * i, h, w);
    const Label* map = labels + n * h * w;
    std::int64_t label[4];
    for (int k = 0; k < 4; ++k) label[k] = taps.inside[k] ? static_cast<std::int64_t>(map[taps.place[k]]) : -1;
    for (std::int64_t g = 0; g < class_count; ++g) {
      T sum = 0;
      for (int k = 0; k < 4; ++k) sum += taps.inside[k] && label[k] == classes[g] ? taps.weight[k] : T(0);
      out[(n * class_count + g) * point_count + p] = sum;
    }
  }
}

// |x| as a whole number of the same order; NaN as infinity.
template <class T>
__device__ std::uint64_t magnitude(T x) {
  if constexpr (sizeof(T) == 4) {
    std::uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits &= 0x7FFFFFFFu;
    return bits < 0x7F800000u ? bits : 0x7F800000u;
  } else {
    const std::uint64_t bits = bits_of(fabs(x)), infinity = std::uint64_t{0x7FF} << 52;
    return bits < infinity ? bits : infinity;
  }
}

constexpr int digit_bits = 8, bins = 1 << digit_bits;
#ifdef __CUDACC__
constexpr int select_threads = 1024;  // there are fewer rows than multiprocessors
#else
constexpr int select_threads = 256;  // fibers are dear
#endif
constexpr int select_warps = select_threads / warp_size;

// How many of the block's threads before this one, and of all, have the flag.
__device__ inline int count_before(bool flag, unsigned* scratch, int* all) {
  const int lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size;
  const unsigned votes = __ballot_sync(all_lanes, flag);
  if (lane == 0) scratch[warp] = static_cast<unsigned>(__popc(votes));
  __syncthreads();
  int before = __popc(votes & ((1u << lane) - 1u));
  *all = 0;
  for (int w = 0; w < select_warps; ++w) {
    if (w < warp) before += static_cast<int>(scratch[w]);
    *all += static_cast<int>(scratch[w]);
  }
  __syncthreads();
  return before;
}

template <class T>
__global__ __launch_bounds__(select_threads) void smallest_kernel(const T* x, std::int64_t cols, std::int64_t count,
                                                                  std::int64_t* indices) {
  unsigned* counts = dynamic_shared<unsigned>();  // (bins), then a word per warp
  const T* row = x + blockIdx.x * cols;
  // After each digit: elements whose leading digits are below `prefix` are taken, `left` of those equal to it.
  std::uint64_t prefix = 0;
  std::int64_t left = count;
  for (int shift = static_cast<int>(sizeof(T)) * 8 - digit_bits; shift >= 0; shift -= digit_bits) {
    for (int b = threadIdx.x; b < bins; b += select_threads) counts[b] = 0;
    __syncthreads();
    for (std::int64_t i = threadIdx.x; i < cols; i += select_threads) {
      const std::uint64_t m = magnitude(row[i]) >> shift;
      if (m >> digit_bits == prefix) atomicAdd(counts + (m & (bins - 1)), 1u);
    }
    __syncthreads();
    int digit = 0;  // the same in all threads
    while (left > static_cast<std::int64_t>(counts[digit])) left -= counts[digit++];
    prefix = prefix << digit_bits | static_cast<std::uint64_t>(digit);
    __syncthreads();
  }
  std::int64_t* to = indices + blockIdx.x * count;
  std::int64_t equal_left = left;
  for (std::int64_t first = 0; first < cols; first += select_threads) {
    const std::int64_t i = first + threadIdx.x;
    const std::uint64_t m = i < cols ? magnitude(row[i]) : ~std::uint64_t{0};
    int equals = 0, taken = 0;
    const bool equal = m == prefix;
    const int equals_before = count_before(equal, counts + bins, &equals);
    const bool take = m < prefix || (equal && equals_before < equal_left);
    const int before = count_before(take, counts + bins, &taken);
    if (take) to[before] = i;
    to += taken;
    equal_left = equal_left > equals ? equal_left - equals : 0;
  }
}

unsigned grid_of(std::int64_t count) {
  return blocks_for(count, threads, 65536);
}

}  // namespace

template <class T>
void point_sample(const T* maps, std::int64_t map_count, std::int64_t h, std::int64_t w, const std::int64_t* rows,
                  std::int64_t row_count, const float* points, std::int64_t point_count, std::int64_t sharing, T* out) {
  launch("point_sample", sample_kernel<T>, grid_of(row_count * point_count), threads, 0, maps, map_count, h, w, rows,
         row_count, points, point_count, sharing, out);
}

template <class T>
void point_sample_backward(const T* grad_out, const std::int64_t* rows, std::int64_t row_count, const float* points,
                           std::int64_t point_count, std::int64_t sharing, std::int64_t maps, std::int64_t h,
                           std::int64_t w, T* grad_maps) {
  const char* const name = "point_sample_backward";
  const std::int64_t count = maps * h * w, adders = row_count * point_count;
  if (count == 0) return;
  const int count_log2 = log2_above(adders);
  Scratch<Whole> memory(count + 1);
  fill_bytes(memory.data(), 0, static_cast<std::size_t>(count + 1) * sizeof(Whole), current_device());
  Whole* const top = memory.data() + count;
  launch(name, largest_kernel<T>, blocks_for(adders, threads, 64), threads, 0, grad_out, adders, top);
  launch(name, add_kernel<T>, grid_of(adders), threads, 0, grad_out, rows, row_count, points, point_count, sharing,
         maps, h, w, top, count_log2, memory.data());
  launch(name, from_whole_kernel<T>, grid_of(count), threads, 0, memory.data(), top, count_log2, count, grad_maps);
}

template <class T, class Label>
void sample_label_mask(const Label* labels, std::int64_t image_count, std::int64_t h, std::int64_t w,
                       const std::int64_t* images, const std::int64_t* classes, std::int64_t row_count,
                       const float* points, std::int64_t point_count, std::int64_t sharing, T* out) {
  launch("sample_label_mask", mask_kernel<T, Label>, grid_of(row_count * point_count), threads, 0, labels, image_count,
         h, w, images, classes, row_count, points, point_count, sharing, out);
}

template <class T, class Label>
void sample_label_classes(const Label* labels, std::int64_t images, std::int64_t h, std::int64_t w,
                          const std::int64_t* classes, std::int64_t class_count, const float* points,
                          std::int64_t point_count, T* out) {
  if (class_count == 0) return;
  launch("sample_label_classes", classes_kernel<T, Label>, grid_of(images * point_count), threads, 0, labels, images, h,
         w, classes, class_count, points, point_count, out);
}

template <class T>
void smallest_magnitudes(const T* x, std::int64_t rows, std::int64_t cols, std::int64_t count, std::int64_t* indices) {
  if (count == 0) return;
  require(rows < std::int64_t{1} << 31, "smallest_magnitudes", "takes at most 2^31 rows on CUDA, got ", rows);
  launch("smallest_magnitudes", smallest_kernel<T>, static_cast<unsigned>(rows), select_threads,
         (bins + select_warps) * sizeof(unsigned), x, cols, count, indices);
}

#define REIN_INSTANTIATE_LABEL(T, Label)                                                                            \
  template void sample_label_mask(const Label*, std::int64_t, std::int64_t, std::int64_t, const std::int64_t*,      \
                                  const std::int64_t*, std::int64_t, const float*, std::int64_t, std::int64_t, T*); \
  template void sample_label_classes(const Label*, std::int64_t, std::int64_t, std::int64_t, const std::int64_t*,   \
                                     std::int64_t, const float*, std::int64_t, T*);
#define REIN_INSTANTIATE(T)                                                                                         \
  template void point_sample(const T*, std::int64_t, std::int64_t, std::int64_t, const std::int64_t*, std::int64_t, \
                             const float*, std::int64_t, std::int64_t, T*);                                         \
  template void point_sample_backward(const T*, const std::int64_t*, std::int64_t, const float*, std::int64_t,      \
                                      std::int64_t, std::int64_t, std::int64_t, std::int64_t, T*);                  \
  template void smallest_magnitudes(const T*, std::int64_t, std::int64_t, std::int64_t, std::int64_t*);             \
  REIN_INSTANTIATE_LABEL(T, std::int64_t)                                                                           \
  REIN_INSTANTIATE_LABEL(T, std::uint8_t)
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)
#undef REIN_INSTANTIATE
#undef REIN_INSTANTIATE_LABEL

}  // namespace rein::ops::cuda
