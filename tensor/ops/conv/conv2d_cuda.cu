// Products of matrices, one operand made of patches of the map (the same three products as on the CPU):
//   forward      y (pixels, O)        = patches (pixels, taps x I)       weight^T
//   grad_weight  (O, taps x I)        = grad_out^T (O, pixels)           patches
//   grad_x       (input pixels, I)    = patches of grad_out              turned weight
// In the last, pixels are taken in stride^2 phases; each phase is a stride-1 product over a part of the kernel.
//
// Who owns what: a thread owns up to 16 bytes of one patch, neighbouring threads neighbouring channels, blockIdx.y
// walks over the patches; the products belong to gemm_cuda.h. A 1 x 1 kernel of stride 1 has no patches to gather.
#include "tensor/ops/conv/conv2d_kernels.h"

#include "tensor/cuda/packed.h"
#include "tensor/cuda/scratch.h"
#include "tensor/ops/matmul/gemm_cuda.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 128;
// 160 MiB hold a fourth of 3 x 3 patches of 256 channels of four maps of 128 x 128: parts that fill the GPU twice.
constexpr std::int64_t patch_mebibytes = 160;
std::int64_t patch_bytes() {
#ifndef __CUDACC__
  if (emulated::runs_kernels()) return std::int64_t{16} << 10;  // so that the tests see several parts
#endif
  return patch_mebibytes << 20;
}

// Windows on a (batch, height, width, channels) map: window (n, i, j) has its tap (ky, kx) at row
// i stride + ky - pad_y and column j stride + kx - pad_x; taps outside are zeros.
template <class T>
struct Windows {
  const T* map;
  std::int64_t height, width, channels;
  std::int64_t out_height, out_width;
  std::int64_t kernel_height, kernel_width, stride, pad_y, pad_x;

  std::int64_t depth() const { return kernel_height * kernel_width * channels; }
};

// patches (count, depth) of the windows from `first` on.
template <class T, int N>
__global__ void gather_kernel(Windows<T> w, std::int64_t first, std::int64_t count, int packs, T* patches) {
  const int at = static_cast<int>(blockIdx.x) * threads + static_cast<int>(threadIdx.x);
  if (at >= packs) return;
  const int per_tap = static_cast<int>(w.channels) / N, tap = at / per_tap, channel = at % per_tap * N;
  const std::int64_t ky = tap / static_cast<int>(w.kernel_width), kx = tap % static_cast<int>(w.kernel_width);
  for (std::int64_t i = blockIdx.y; i < count; i += gridDim.y) {
    // The door's host side sees to it that windows are counted by 32 bits: their division is the cheaper one.
    const unsigned window = static_cast<unsigned>(first + i), line = window / static_cast<unsigned>(w.out_width);
    const unsigned col = window % static_cast<unsigned>(w.out_width), out_height = static_cast<unsigned>(w.out_height);
    const std::int64_t y = static_cast<std::int64_t>(line % out_height) * w.stride + ky - w.pad_y;
    const std::int64_t x = static_cast<std::int64_t>(col) * w.stride + kx - w.pad_x, n = line / out_height;
    Packed<T, N> value{};
    if (y >= 0 && y < w.height && x >= 0 && x < w.width)
      value = load_packed<T, N>(w.map + ((n * w.height + y) * w.width + x) * w.channels + channel);
    store_packed(value, patches + (i * packs + at) * N);
  }
}

template <class T>
void gather(const Windows<T>& w, std::int64_t first, std::int64_t count, T* patches) {
  const bool packs = packable<packed_count<T>>(w.channels, w.map, patches);
  const std::int64_t per_window = w.depth() / (packs ? packed_count<T> : 1);
  if (per_window == 0) return;
  require(per_window < std::int64_t{1} << 31 && first + count < std::int64_t{1} << 32, "conv2d",
          "takes less than 2^32 pixels and 2^31 weights per output on CUDA, got ", first + count, " and ", w.depth());
  const dim3 grid(blocks_for(per_window, threads, std::int64_t{1} << 31),
                  static_cast<unsigned>(count < 65535 ? count : 65535));
  launch("conv2d_gather", packs ? gather_kernel<T, packed_count<T>> : gather_kernel<T, 1>, grid, threads, 0, w, first,
         count, static_cast<int>(per_window), patches);
}

// body(first, count, patches) for parts of the windows, in order.
template <class T, class F>
void for_patches(const Windows<T>& w, std::int64_t windows, const F& body) {
  const std::int64_t bytes = w.depth() * static_cast<std::int64_t>(sizeof(T));
  const std::int64_t fit = bytes == 0 ? windows : patch_bytes() / bytes, most = fit > 1 ? fit : 1;
  // Parts of one size, in whole tiles of a product.
  const std::int64_t parts = (windows + most - 1) / most, even = parts == 0 ? 0 : (windows + parts - 1) / parts;
  const std::int64_t part = even >= 256 && (even + 127) / 128 * 128 <= most ? (even + 127) / 128 * 128 : even;
  Scratch<T> patches(part * w.depth());
  for (std::int64_t first = 0; first < windows; first += part) {
    const std::int64_t count = windows - first < part ? windows - first : part;
    gather(w, first, count, patches.data());
    body(first, count, static_cast<const T*>(patches.data()));
  }
}

template <class T>
Windows<T> windows_on_x(const T* x, const ConvShape& s) {
  return {x,        s.height,  s.width,  s.in, s.out_height, s.out_width, s.kernel_height, s.kernel_width,
          s.stride, s.padding, s.padding};
}

bool pointwise(const ConvShape& s) {
  return s.kernel_height == 1 && s.kernel_width == 1 && s.stride == 1 && s.padding == 0;
}

// c (m, n) = op(a) (m, k) op(b) (k, n), all dense.
template <class T>
void multiply(const T* a, bool trans_a, const T* b, bool trans_b, const T* bias, std::int64_t m, std::int64_t n,
              std::int64_t k, bool add, Products products, T* c) {
  GemmProblem<T> p;
  p.a = a, p.b = b, p.c = c, p.bias = bias;
  p.m = m, p.n = n, p.k = k;
  p.a_pitch = trans_a ? m : k, p.b_pitch = trans_b ? k : n, p.c_pitch = n;
  p.trans_a = trans_a, p.trans_b = trans_b, p.add = add, p.products = products;
  gemm(p);
}

// Part of a kernel, turned by 180 degrees: its tap (jy, jx) is the weight's tap first + stride (taps - 1 - j).
struct TurnedKernel {
  std::int64_t in, out, kernel_height, kernel_width, stride;
  std::int64_t first_y, first_x, taps_y, taps_x;
};

// turned (jy, jx, O, I); a thread owns one number.
template <class T>
__global__ void turn_kernel(TurnedKernel t, const T* weight, T* turned) {
  const std::int64_t count = t.taps_y * t.taps_x * t.out * t.in;
  for (std::int64_t i = global_thread(); i < count; i += global_threads()) {
    const std::int64_t channel = i % t.in, o = i / t.in % t.out, tap = i / (t.in * t.out);
    const std::int64_t ky = t.first_y + t.stride * (t.taps_y - 1 - tap / t.taps_x);
    const std::int64_t kx = t.first_x + t.stride * (t.taps_x - 1 - tap % t.taps_x);
    turned[i] = weight[((o * t.kernel_height + ky) * t.kernel_width + kx) * t.in + channel];
  }
}

// part (batch, rows, cols, in) -> its pixels of grad_x.
template <class T>
__global__ void scatter_phase_kernel(const T* part, ConvShape s, std::int64_t phase_y, std::int64_t phase_x,
                                     std::int64_t rows, std::int64_t cols, T* grad_x) {
  const std::int64_t count = s.batch * rows * cols * s.in;
  for (std::int64_t i = global_thread(); i < count; i += global_threads()) {
    const std::int64_t channel = i % s.in, col = i / s.in % cols, row = i / (s.in * cols) % rows;
    const std::int64_t y = row * s.stride + phase_y, x = col * s.stride + phase_x, n = i / (s.in * cols * rows);
    grad_x[((n * s.height + y) * s.width + x) * s.in + channel] = part[i];
  }
}

// grad_x at the pixels (y, x) = (phase_y, phase_x) modulo the stride, densely into `out` (batch, rows, cols, in).
template <class T>
void grad_x_phase(const T* grad_out, const T* weight, const ConvShape& s, std::int64_t phase_y, std::int64_t phase_x,
                  std::int64_t rows, std::int64_t cols, T* out) {
  const auto taps = [&](std::int64_t first, std::int64_t kernel) {
    return first < kernel ? (kernel - first + s.stride - 1) / s.stride : 0;
  };
  TurnedKernel t{s.in,
                 s.out,
                 s.kernel_height,
                 s.kernel_width,
                 s.stride,
                 (phase_y + s.padding) % s.stride,
                 (phase_x + s.padding) % s.stride,
                 0,
                 0};
  t.taps_y = taps(t.first_y, s.kernel_height), t.taps_x = taps(t.first_x, s.kernel_width);
  // Row y = a stride + phase of x meets tap ky = first + j stride at row a + (phase + padding) / stride - j of
  // grad_out.
  const Windows<T> w{grad_out,
                     s.out_height,
                     s.out_width,
                     s.out,
                     rows,
                     cols,
                     t.taps_y,
                     t.taps_x,
                     1,
                     t.taps_y - 1 - (phase_y + s.padding) / s.stride,
                     t.taps_x - 1 - (phase_x + s.padding) / s.stride};
  const std::int64_t turned_count = w.depth() * s.in;
  Scratch<T> turned(turned_count);
  launch("conv2d_turn", turn_kernel<T>, blocks_for(turned_count, threads), threads, 0, t, weight, turned.data());
  for_patches(w, s.batch * rows * cols, [&](std::int64_t first, std::int64_t count, const T* patches) {
    multiply<T>(patches, false, turned.data(), false, nullptr, count, s.in, w.depth(), false, s.products,
                out + first * s.in);
  });
}

}  // namespace

template <class T>
void conv2d(const T* x, const T* weight, const T* bias, const ConvShape& s, T* y) {
  const Windows<T> w = windows_on_x(x, s);
  const std::int64_t pixels = s.batch * s.out_height * s.out_width;
  if (pointwise(s)) return multiply<T>(x, false, weight, true, bias, pixels, s.out, s.in, false, s.products, y);
  for_patches(w, pixels, [&](std::int64_t first, std::int64_t count, const T* patches) {
    multiply<T>(patches, false, weight, true, bias, count, s.out, w.depth(), false, s.products, y + first * s.out);
  });
}

template <class T>
void conv2d_grad_weight(const T* grad_out, const T* x, const ConvShape& s, T* grad_weight) {
  const Windows<T> w = windows_on_x(x, s);
  const std::int64_t pixels = s.batch * s.out_height * s.out_width;
  if (pointwise(s) || pixels == 0)
    return multiply<T>(grad_out, true, x, false, nullptr, s.out, w.depth(), pixels, false, s.products, grad_weight);
  for_patches(w, pixels, [&](std::int64_t first, std::int64_t count, const T* patches) {
    multiply<T>(grad_out + first * s.out, true, patches, false, nullptr, s.out, w.depth(), count, first > 0, s.products,
                grad_weight);
  });
}

template <class T>
void conv2d_grad_x(const T* grad_out, const T* weight, const ConvShape& s, T* grad_x) {
  const std::int64_t pixels = s.batch * s.height * s.width;
  if (pointwise(s))
    return multiply<T>(grad_out, false, weight, false, nullptr, pixels, s.in, s.out, false, s.products, grad_x);
  if (s.stride == 1) return grad_x_phase(grad_out, weight, s, 0, 0, s.height, s.width, grad_x);
  const std::int64_t most = s.batch * ((s.height + s.stride - 1) / s.stride) * ((s.width + s.stride - 1) / s.stride);
  Scratch<T> part(most * s.in);
  for (std::int64_t phase_y = 0; phase_y < s.stride && phase_y < s.height; ++phase_y) {
    for (std::int64_t phase_x = 0; phase_x < s.stride && phase_x < s.width; ++phase_x) {
      const std::int64_t rows = (s.height - phase_y + s.stride - 1) / s.stride;
      const std::int64_t cols = (s.width - phase_x + s.stride - 1) / s.stride;
      grad_x_phase(grad_out, weight, s, phase_y, phase_x, rows, cols, part.data());
      launch("conv2d_scatter", scatter_phase_kernel<T>, blocks_for(s.batch * rows * cols * s.in, threads), threads, 0,
             part.data(), s, phase_y, phase_x, rows, cols, grad_x);
    }
  }
}

#define REIN_INSTANTIATE(T)                                                 \
  template void conv2d(const T*, const T*, const T*, const ConvShape&, T*); \
  template void conv2d_grad_x(const T*, const T*, const ConvShape&, T*);    \
  template void conv2d_grad_weight(const T*, const T*, const ConvShape&, T*)
REIN_INSTANTIATE(float);
REIN_INSTANTIATE(double);

}  // namespace rein::ops::cuda
