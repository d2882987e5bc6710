// Copies: a warp owns a pixel of the output at a time and its lanes walk the channels, so a pixel's place is found once
// and reads and writes are side by side. The sum for `fill`: a thread owns a channel in a chunk of places, in double;
// then the chunks are added in a fixed order.
#include "tensor/ops/attention/windows_kernels.h"

#include "tensor/cuda/add_lines.h"
#include "tensor/cuda/sum_rows.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;

// What the kernels need of WindowSizes, whose functions are the host's.
struct Windows {
  WindowSizes s;
  std::int64_t rows, cols;

  explicit Windows(const WindowSizes& sizes) : s(sizes), rows(sizes.rows()), cols(sizes.cols()) {}
  std::int64_t places() const { return s.batches * rows * cols * s.side * s.side; }

  // The map's pixel at a place of the windows; -1 outside of the map.
  __device__ std::int64_t pixel_of(std::int64_t place) const {
    const std::int64_t window = place / (s.side * s.side), inside = place % (s.side * s.side);
    const std::int64_t image = window / (rows * cols), in_image = window % (rows * cols);
    const std::int64_t y = in_image / cols * s.side + inside / s.side, x = in_image % cols * s.side + inside % s.side;
    return y < s.height && x < s.width ? (image * s.height + y) * s.width + x : -1;
  }
  __device__ std::int64_t place_of(std::int64_t pixel) const {
    const std::int64_t image = pixel / (s.height * s.width), in_image = pixel % (s.height * s.width);
    const std::int64_t y = in_image / s.width, x = in_image % s.width;
    const std::int64_t window = (image * rows + y / s.side) * cols + x / s.side;
    return (window * s.side + y % s.side) * s.side + x % s.side;
  }
};

template <class T>
__global__ void partition_kernel(Windows w, std::int64_t places, const T* x, const T* fill, T* windows) {
  const std::int64_t c = w.s.channels, step = global_threads() / warp_size;
  for (std::int64_t place = global_thread() / warp_size; place < places; place += step) {
    const std::int64_t pixel = w.pixel_of(place);
    const T* from = pixel >= 0 ? x + pixel * c : fill;
    T* to = windows + place * c;
    for (std::int64_t k = threadIdx.x % warp_size; k < c; k += warp_size) to[k] = from == nullptr ? T(0) : from[k];
  }
}

template <class T>
__global__ void merge_kernel(Windows w, std::int64_t pixels, const T* windows, T* x) {
  const std::int64_t c = w.s.channels, step = global_threads() / warp_size;
  for (std::int64_t pixel = global_thread() / warp_size; pixel < pixels; pixel += step) {
    const T* from = windows + w.place_of(pixel) * c;
    for (std::int64_t k = threadIdx.x % warp_size; k < c; k += warp_size) x[pixel * c + k] = from[k];
  }
}

template <class T>
struct Outside {
  Windows w;
  const T* grad;
  __device__ double operator()(std::int64_t place, std::int64_t channel) const {
    return w.pixel_of(place) < 0 ? static_cast<double>(grad[place * w.s.channels + channel]) : 0.0;
  }
};

}  // namespace

template <class T>
void window_partition(const WindowSizes& s, const T* x, const T* fill, T* windows) {
  const Windows w(s);
  launch("window_partition", partition_kernel<T>, blocks_for(w.places() * warp_size, threads, 65536), threads, 0, w,
         w.places(), x, fill, windows);
}

template <class T>
void window_merge(const WindowSizes& s, const T* windows, T* x) {
  const std::int64_t pixels = s.batches * s.height * s.width;
  launch("window_merge", merge_kernel<T>, blocks_for(pixels * warp_size, threads, 65536), threads, 0, Windows(s),
         pixels, windows, x);
}

template <class T>
void window_fill_backward(const WindowSizes& s, const T* grad_windows, T* grad_fill) {
  const Windows w(s);
  Scratch<double> sum(s.channels);
  sum_rows("window_fill_backward", Outside<T>{w, grad_windows}, w.places(), s.channels, sum.data());
  add_lines("window_fill_backward", sum.data(), 1, 1, s.channels, 1.0, grad_fill);  // to T
}

#define REIN_INSTANTIATE(T)                                                   \
  template void window_partition(const WindowSizes&, const T*, const T*, T*); \
  template void window_merge(const WindowSizes&, const T*, T*);               \
  template void window_fill_backward(const WindowSizes&, const T*, T*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)
#undef REIN_INSTANTIATE

}  // namespace rein::ops::cuda
