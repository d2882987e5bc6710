// Implicit matrix products: the patches of the map are one operand, gathered while its panels are packed.
//   forward      y (pixels, O)        = patches (pixels, taps x I)       weight^T
//   grad_weight  (O, taps x I)        = grad_out^T (O, pixels)           patches
//   grad_x       (input pixels, I)    = patches of grad_out              turned weight
// In the last, an input pixel sees only the taps that agree with it modulo the stride, so the pixels are taken in
// stride^2 phases; each phase is a stride-1 product over a part of the kernel.
#include "tensor/ops/conv/conv2d_kernels.h"

#include <algorithm>
#include <memory>

#include "tensor/ops/matmul/gemm_cpu.h"
#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {

// Windows on a (batch, height, width, channels) map: window (n, i, j) has its tap (ky, kx) at row
// i stride + ky - pad_y and column j stride + kx - pad_x; taps outside are zeros.
template <class T>
struct Windows {
  const T* map;
  std::int64_t height, width, channels;
  std::int64_t out_height, out_width;
  std::int64_t kernel_height, kernel_width, stride, pad_y, pad_x;
  // Taps of one kernel row that are contiguous for every window: all of them when no window leaves the map sideways.
  std::int64_t run = 0, runs_x = 0;

  void find_runs() {
    const bool inside = pad_x == 0 && (out_width - 1) * stride + kernel_width <= width;
    run = inside ? kernel_width * channels : channels;
    runs_x = inside ? 1 : kernel_width;
  }
};

// A place in the row-major order of windows, advanced without divisions.
struct Place {
  std::int64_t n, i, j;
};
template <class T>
Place place_of(const Windows<T>& w, std::int64_t index) {
  return {index / (w.out_width * w.out_height), index / w.out_width % w.out_height, index % w.out_width};
}
template <class T>
void advance(const Windows<T>& w, Place& p) {
  if (++p.j < w.out_width) return;
  p.j = 0;
  if (++p.i < w.out_height) return;
  p.i = 0;
  ++p.n;
}

// The start of run `tap` in a window, or null outside of the map.
template <class T>
const T* run_of(const Windows<T>& w, const Place& p, std::int64_t ky, std::int64_t kx) {
  const std::int64_t y = p.i * w.stride + ky - w.pad_y, x = p.j * w.stride + kx - w.pad_x;
  if (y < 0 || y >= w.height || x < 0 || x >= w.width) return nullptr;
  return w.map + ((p.n * w.height + y) * w.width + x) * w.channels;
}

// Lines are windows, columns are (ky, kx, channel).
template <class T>
class PatchLines final : public PanelSource<T> {
 public:
  explicit PatchLines(const Windows<T>& windows) : w_(windows) {}

  void pack(std::int64_t first, int count, int width, std::int64_t k0, std::int64_t kc, T* out) const override {
    Place places[gemm_max_width];
    const T* lines[gemm_max_width];
    Place place = place_of(w_, first);
    for (int i = 0; i < count; ++i, advance(w_, place)) places[i] = place;
    for (std::int64_t k = k0; k < k0 + kc;) {
      const std::int64_t tap = k / w_.run, skip = k % w_.run, length = std::min(w_.run - skip, k0 + kc - k);
      for (int i = 0; i < count; ++i) {
        const T* start = run_of(w_, places[i], tap / w_.runs_x, tap % w_.runs_x);
        lines[i] = start ? start + skip : nullptr;
      }
      pack_lines(lines, count, width, length, out);
      out += length * width;
      k += length;
    }
  }

 private:
  Windows<T> w_;
};

// Lines are (ky, kx, channel), columns are windows.
template <class T>
class PatchColumns final : public PanelSource<T> {
 public:
  explicit PatchColumns(const Windows<T>& windows) : w_(windows) {}

  void pack(std::int64_t first, int count, int width, std::int64_t k0, std::int64_t kc, T* out) const override {
    const T* columns[gemm_max_kc];
    for (int i = 0; i < count;) {
      const std::int64_t tap = (first + i) / w_.run, skip = (first + i) % w_.run;
      const int length = static_cast<int>(std::min<std::int64_t>(w_.run - skip, count - i));
      const std::int64_t ky = tap / w_.runs_x, kx = tap % w_.runs_x;
      Place place = place_of(w_, k0);
      for (std::int64_t k = 0; k < kc; ++k, advance(w_, place)) {
        const T* start = run_of(w_, place, ky, kx);
        columns[k] = start ? start + skip : nullptr;
      }
      pack_columns(columns, length, i + length == count ? width - count : 0, width, kc, out + i);
      i += length;
    }
  }

 private:
  Windows<T> w_;
};

// Part of a kernel, turned by 180 degrees: its tap (jy, jx) is the weight's tap first + stride (taps - 1 - j).
// Lines are input channels, columns are (jy, jx, output channel).
template <class T>
struct TurnedWeight final : public PanelSource<T> {
  const T* weight;
  std::int64_t in, out, kernel_height, kernel_width, stride;
  std::int64_t first_y, first_x, taps_y, taps_x;

  void pack(std::int64_t first, int count, int width, std::int64_t k0, std::int64_t kc, T* panel) const override {
    const T* columns[gemm_max_kc];
    for (std::int64_t k = 0; k < kc; ++k) {
      const std::int64_t o = (k0 + k) % out, tap = (k0 + k) / out;
      const std::int64_t ky = first_y + stride * (taps_y - 1 - tap / taps_x);
      const std::int64_t kx = first_x + stride * (taps_x - 1 - tap % taps_x);
      columns[k] = weight + ((o * kernel_height + ky) * kernel_width + kx) * in + first;
    }
    pack_columns(columns, count, width - count, width, kc, panel);
  }
};

template <class T>
Windows<T> windows_on_x(const T* x, const ConvShape& s) {
  Windows<T> w{x,        s.height,  s.width,  s.in, s.out_height, s.out_width, s.kernel_height, s.kernel_width,
               s.stride, s.padding, s.padding};
  w.find_runs();
  return w;
}

bool pointwise(const ConvShape& s) {
  return s.kernel_height == 1 && s.kernel_width == 1 && s.stride == 1 && s.padding == 0;
}

// grad_x at the pixels (y, x) = (phase_y, phase_x) modulo the stride, densely into `out` (batch, rows, cols, in).
template <class T>
void grad_x_phase(const T* grad_out, const T* weight, const ConvShape& s, std::int64_t phase_y, std::int64_t phase_x,
                  std::int64_t rows, std::int64_t cols, T* out) {
  const auto taps = [&](std::int64_t first, std::int64_t kernel) {
    return first < kernel ? (kernel - first + s.stride - 1) / s.stride : 0;
  };
  // Row y = a stride + phase of x meets tap ky at row (y + padding - ky) / stride of grad_out, for ky = first + j
  // stride: that is a + (phase + padding) / stride - j.
  TurnedWeight<T> turned;
  turned.weight = weight;
  turned.in = s.in;
  turned.out = s.out;
  turned.kernel_height = s.kernel_height;
  turned.kernel_width = s.kernel_width;
  turned.stride = s.stride;
  turned.first_y = (phase_y + s.padding) % s.stride;
  turned.first_x = (phase_x + s.padding) % s.stride;
  turned.taps_y = taps(turned.first_y, s.kernel_height);
  turned.taps_x = taps(turned.first_x, s.kernel_width);
  Windows<T> w{grad_out,
               s.out_height,
               s.out_width,
               s.out,
               rows,
               cols,
               turned.taps_y,
               turned.taps_x,
               1,
               turned.taps_y - 1 - (phase_y + s.padding) / s.stride,
               turned.taps_x - 1 - (phase_x + s.padding) / s.stride};
  w.find_runs();
  const PatchLines<T> patches(w);
  GemmProblem<T> p;
  p.a = &patches;
  p.b = &turned;
  p.m = s.batch * rows * cols;
  p.n = s.in;
  p.k = turned.taps_y * turned.taps_x * s.out;
  p.c = out;
  p.c_pitch = s.in;
  gemm(p);
}

}  // namespace

template <class T>
void conv2d(const T* x, const T* weight, const T* bias, const ConvShape& s, T* y) {
  const std::int64_t depth = s.kernel_height * s.kernel_width * s.in;
  const MatrixSource<T> rows(x, s.in, false), filters(weight, depth, false);
  const PatchLines<T> patches(windows_on_x(x, s));
  GemmProblem<T> p;
  p.a = pointwise(s) ? static_cast<const PanelSource<T>*>(&rows) : &patches;
  p.b = &filters;
  p.m = s.batch * s.out_height * s.out_width;
  p.n = s.out;
  p.k = depth;
  p.c = y;
  p.c_pitch = s.out;
  p.bias = bias;
  gemm(p);
}

template <class T>
void conv2d_grad_weight(const T* grad_out, const T* x, const ConvShape& s, T* grad_weight) {
  const std::int64_t depth = s.kernel_height * s.kernel_width * s.in;
  const MatrixSource<T> grads(grad_out, s.out, true), columns(x, s.in, true);
  const PatchColumns<T> patches(windows_on_x(x, s));
  GemmProblem<T> p;
  p.a = &grads;
  p.b = pointwise(s) ? static_cast<const PanelSource<T>*>(&columns) : &patches;
  p.m = s.out;
  p.n = depth;
  p.k = s.batch * s.out_height * s.out_width;
  p.c = grad_weight;
  p.c_pitch = depth;
  gemm(p);
}

template <class T>
void conv2d_grad_x(const T* grad_out, const T* weight, const ConvShape& s, T* grad_x) {
  if (s.stride == 1) {
    grad_x_phase(grad_out, weight, s, 0, 0, s.height, s.width, grad_x);
    return;
  }
  const std::int64_t most = s.batch * ((s.height + s.stride - 1) / s.stride) * ((s.width + s.stride - 1) / s.stride);
  const std::unique_ptr<T[]> part(new T[static_cast<std::size_t>(most * s.in)]);
  for (std::int64_t phase_y = 0; phase_y < std::min(s.stride, s.height); ++phase_y) {
    for (std::int64_t phase_x = 0; phase_x < std::min(s.stride, s.width); ++phase_x) {
      const std::int64_t rows = (s.height - phase_y + s.stride - 1) / s.stride;
      const std::int64_t cols = (s.width - phase_x + s.stride - 1) / s.stride;
      grad_x_phase(grad_out, weight, s, phase_y, phase_x, rows, cols, part.get());
      parallel_for(s.batch * rows, [&](std::int64_t row) {
        const std::int64_t y = row % rows * s.stride + phase_y;
        const T* from = part.get() + row * cols * s.in;
        T* to = grad_x + ((row / rows * s.height + y) * s.width + phase_x) * s.in;
        for (std::int64_t col = 0; col < cols; ++col) std::copy_n(from + col * s.in, s.in, to + col * s.stride * s.in);
      });
    }
  }
}

template void conv2d(const float*, const float*, const float*, const ConvShape&, float*);
template void conv2d(const double*, const double*, const double*, const ConvShape&, double*);
template void conv2d_grad_x(const float*, const float*, const ConvShape&, float*);
template void conv2d_grad_x(const double*, const double*, const ConvShape&, double*);
template void conv2d_grad_weight(const float*, const float*, const ConvShape&, float*);
template void conv2d_grad_weight(const double*, const double*, const ConvShape&, double*);

}  // namespace rein::ops::cpu
