// Copies: a task of partition is one line of one window, a task of merge one line of the map; the pixels of a line are
// neighbours on both sides. The sum for `fill` is cut by channels, so each sum is one thread's, in one order.
#include "tensor/ops/attention/windows_kernels.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {

std::size_t bytes_of(std::int64_t count, std::size_t each) {
  return static_cast<std::size_t>(count) * each;
}

// Window `index` of all images: its image and the map's row and column at its upper left corner.
struct WindowPlace {
  std::int64_t image, top, left;
};

WindowPlace place_of(const WindowSizes& s, std::int64_t index) {
  const std::int64_t cols = s.cols(), per_image = s.rows() * cols;
  return {index / per_image, index % per_image / cols * s.side, index % cols * s.side};
}

}  // namespace

template <class T>
void window_partition(const WindowSizes& s, const T* x, const T* fill, T* windows) {
  const std::int64_t c = s.channels;
  parallel_for(s.batches * s.rows() * s.cols() * s.side, [&](std::int64_t line) {
    const WindowPlace at = place_of(s, line / s.side);
    const std::int64_t y = at.top + line % s.side;
    const std::int64_t inside = y < s.height ? std::min(s.side, s.width - at.left) : 0;
    T* to = windows + line * s.side * c;
    if (inside > 0)
      std::memcpy(to, x + ((at.image * s.height + y) * s.width + at.left) * c, bytes_of(inside * c, sizeof(T)));
    if (fill == nullptr) {
      std::fill_n(to + inside * c, (s.side - inside) * c, T(0));
      return;
    }
    for (std::int64_t i = inside; i < s.side; ++i) std::memcpy(to + i * c, fill, bytes_of(c, sizeof(T)));
  });
}

template <class T>
void window_merge(const WindowSizes& s, const T* windows, T* x) {
  const std::int64_t c = s.channels, cols = s.cols();
  parallel_for(s.batches * s.height, [&](std::int64_t line) {
    const std::int64_t image = line / s.height, y = line % s.height;
    for (std::int64_t col = 0; col < cols; ++col) {
      const std::int64_t window = (image * s.rows() + y / s.side) * cols + col;
      const std::int64_t left = col * s.side, inside = std::min(s.side, s.width - left);
      std::memcpy(x + (line * s.width + left) * c, windows + (window * s.side + y % s.side) * s.side * c,
                  bytes_of(inside * c, sizeof(T)));
    }
  });
}

template <class T>
void window_fill_backward(const WindowSizes& s, const T* grad_windows, T* grad_fill) {
  constexpr std::int64_t chunk = 64;
  const std::int64_t c = s.channels, windows = s.batches * s.rows() * s.cols();
  parallel_ranges(c, chunk, [&](std::int64_t begin, std::int64_t end) {
    std::array<double, chunk> sum{};
    for (std::int64_t window = 0; window < windows; ++window) {
      const WindowPlace at = place_of(s, window);
      if (at.top + s.side <= s.height && at.left + s.side <= s.width) continue;
      for (std::int64_t y = 0; y < s.side; ++y) {
        const std::int64_t inside = at.top + y < s.height ? std::min(s.side, s.width - at.left) : 0;
        for (std::int64_t i = inside; i < s.side; ++i) {
          const T* grad = grad_windows + ((window * s.side + y) * s.side + i) * c;
          for (std::int64_t k = begin; k < end; ++k)
            sum[static_cast<std::size_t>(k - begin)] += static_cast<double>(grad[k]);
        }
      }
    }
    for (std::int64_t k = begin; k < end; ++k) grad_fill[k] = static_cast<T>(sum[static_cast<std::size_t>(k - begin)]);
  });
}

template void window_partition(const WindowSizes&, const float*, const float*, float*);
template void window_partition(const WindowSizes&, const double*, const double*, double*);
template void window_merge(const WindowSizes&, const float*, float*);
template void window_merge(const WindowSizes&, const double*, double*);
template void window_fill_backward(const WindowSizes&, const float*, float*);
template void window_fill_backward(const WindowSizes&, const double*, double*);

}  // namespace rein::ops::cpu
