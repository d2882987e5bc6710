// Winograd's F(2x2, 3x3) (Lavin and Gray 2016, "Fast algorithms for convolutional neural networks"). For one tile of
// 2x2 outputs, its 4x4 inputs d and a filter g:
//   y = A^T [ sum over input channels of (G g G^T) * (B^T d B) ] A,   * elementwise, 4x4 places
//   B^T = 1  0 -1  0     G = 1    0    0     A^T = 1  1  1  0
//         0  1  1  0         1/2  1/2  1/2         0  1 -1 -1
//         0 -1  1  0         1/2 -1/2  1/2
//         0  1  0 -1         0    0    1
// The sum over channels is a product of matrices per place: (tiles, in) times (in, out). The gradients are the
// adjoints:
//   grad_x       a convolution of grad_out with the turned filter, padding 2 - p
//   grad_weight  G^T [ sum over tiles of (A grad_y A^T) * (B^T d B) ] G
// B and A hold 0 and +-1 only, so the transforms are a few additions per element. Tiles are taken in strips, whose
// transforms stay in the third-level cache; the cutting depends on the shape alone.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/conv/conv2d_winograd_cpu.cpp"
#include "tensor/ops/conv/conv2d_winograd_cpu.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

// The four transforms of one line of a tile.
struct InputLine {  // B^T d
  template <class V>
  static HWY_INLINE void run(V d0, V d1, V d2, V d3, V* out) {
    out[0] = hn::Sub(d0, d2), out[1] = hn::Add(d1, d2), out[2] = hn::Sub(d2, d1), out[3] = hn::Sub(d1, d3);
  }
};

// out[p * pitch + c] = (B^T d B)[p] for the 4x4 pixels in[16], each `channels` long.
template <class T>
void input_tile(const T* const* in, std::int64_t channels, std::int64_t pitch, T* out) {
  for_each_lane(hn::ScalableTag<T>(), channels, [&](auto d, std::int64_t c) {
    using V = hn::Vec<decltype(d)>;
    V t[4][4];  // t[col][row]: columns transformed
#pragma GCC unroll 4
    for (int col = 0; col < 4; ++col)
      InputLine::run(load(d, in[col] + c), load(d, in[4 + col] + c), load(d, in[8 + col] + c),
                     load(d, in[12 + col] + c), t[col]);
#pragma GCC unroll 4
    for (int row = 0; row < 4; ++row) {
      V line[4];
      InputLine::run(t[0][row], t[1][row], t[2][row], t[3][row], line);
#pragma GCC unroll 4
      for (int col = 0; col < 4; ++col) store(line[col], d, out + (4 * row + col) * pitch + c);
    }
  });
}

// The 2x2 pixels out[4] (null: outside of the map) = A^T m A + bias, m[p] at in + p * pitch.
template <class T>
void output_tile(const T* in, std::int64_t pitch, const T* bias, std::int64_t channels, T* const* out) {
  for_each_lane(hn::ScalableTag<T>(), channels, [&](auto d, std::int64_t c) {
    using V = hn::Vec<decltype(d)>;
    V t[4][2];  // t[col][row]
#pragma GCC unroll 4
    for (int col = 0; col < 4; ++col) {
      const V m1 = load(d, in + (4 + col) * pitch + c), m2 = load(d, in + (8 + col) * pitch + c);
      t[col][0] = hn::Add(hn::Add(load(d, in + col * pitch + c), m1), m2);
      t[col][1] = hn::Sub(hn::Sub(m1, m2), load(d, in + (12 + col) * pitch + c));
    }
    const V b = bias != nullptr ? load(d, bias + c) : hn::Zero(d);
#pragma GCC unroll 2
    for (int row = 0; row < 2; ++row) {
      const V left = hn::Add(hn::Add(t[0][row], t[1][row]), t[2][row]);
      const V right = hn::Sub(hn::Sub(t[1][row], t[2][row]), t[3][row]);
      if (out[2 * row] != nullptr) store(hn::Add(left, b), d, out[2 * row] + c);
      if (out[2 * row + 1] != nullptr) store(hn::Add(right, b), d, out[2 * row + 1] + c);
    }
  });
}

// out[p * pitch + c] = (A g A^T)[p] for the 2x2 pixels in[4]: the adjoint of output_tile.
template <class T>
void grad_tile(const T* const* in, std::int64_t channels, std::int64_t pitch, T* out) {
  for_each_lane(hn::ScalableTag<T>(), channels, [&](auto d, std::int64_t c) {
    using V = hn::Vec<decltype(d)>;
    V t[2][4];  // t[col][row]
#pragma GCC unroll 2
    for (int col = 0; col < 2; ++col) {
      const V a = load(d, in[col] + c), b = load(d, in[2 + col] + c);
      t[col][0] = a, t[col][1] = hn::Add(a, b), t[col][2] = hn::Sub(a, b), t[col][3] = hn::Neg(b);
    }
#pragma GCC unroll 4
    for (int row = 0; row < 4; ++row) {
      const V a = t[0][row], b = t[1][row];
      T* to = out + 4 * row * pitch + c;
      store(a, d, to);
      store(hn::Add(a, b), d, to + pitch);
      store(hn::Sub(a, b), d, to + 2 * pitch);
      store(hn::Neg(b), d, to + 3 * pitch);
    }
  });
}

// out[p * pitch + c] = (G g G^T)[p], tap (ky, kx) at weight + (3 ky + kx) * channels; `turned`: by 180 degrees.
template <class T>
void weight_tile(const T* weight, bool turned, std::int64_t channels, std::int64_t pitch, T* out) {
  for_each_lane(hn::ScalableTag<T>(), channels, [&](auto d, std::int64_t c) {
    using V = hn::Vec<decltype(d)>;
    const V half = hn::Set(d, T(0.5));
    const auto run = [&](V g0, V g1, V g2, V* to) {
      const V ends = hn::Add(g0, g2);
      to[0] = g0, to[1] = hn::Mul(half, hn::Add(ends, g1)), to[2] = hn::Mul(half, hn::Sub(ends, g1)), to[3] = g2;
    };
    const auto tap = [&](int i) { return load(d, weight + (turned ? 8 - i : i) * channels + c); };
    V t[3][4];  // t[col][row]
    for (int col = 0; col < 3; ++col) run(tap(col), tap(3 + col), tap(6 + col), t[col]);
    for (int row = 0; row < 4; ++row) {
      V line[4];
      run(t[0][row], t[1][row], t[2][row], line);
      for (int col = 0; col < 4; ++col) store(line[col], d, out + (4 * row + col) * pitch + c);
    }
  });
}

// Tap (ky, kx) of grad_weight = (G^T u G)[ky, kx], u[p] at in + p * pitch: the adjoint of weight_tile.
template <class T>
void grad_weight_tile(const T* in, std::int64_t pitch, std::int64_t channels, T* grad_weight) {
  for_each_lane(hn::ScalableTag<T>(), channels, [&](auto d, std::int64_t c) {
    using V = hn::Vec<decltype(d)>;
    const V half = hn::Set(d, T(0.5));
    const auto run = [&](V u0, V u1, V u2, V u3, V* to) {
      const V sum = hn::Mul(half, hn::Add(u1, u2));
      to[0] = hn::Add(u0, sum), to[1] = hn::Mul(half, hn::Sub(u1, u2)), to[2] = hn::Add(sum, u3);
    };
    const auto at = [&](int p) { return load(d, in + p * pitch + c); };
    V t[4][3];  // t[col][row]
    for (int col = 0; col < 4; ++col) run(at(col), at(4 + col), at(8 + col), at(12 + col), t[col]);
    for (int row = 0; row < 3; ++row) {
      V line[3];
      run(t[0][row], t[1][row], t[2][row], t[3][row], line);
      for (int col = 0; col < 3; ++col) store(line[col], d, grad_weight + (3 * row + col) * channels + c);
    }
  });
}

#define REIN_WINOGRAD_KERNELS(T, tag)                                                                       \
  void input_##tag(const T* const* in, std::int64_t channels, std::int64_t pitch, T* out) {                 \
    input_tile(in, channels, pitch, out);                                                                   \
  }                                                                                                         \
  void output_##tag(const T* in, std::int64_t pitch, const T* bias, std::int64_t channels, T* const* out) { \
    output_tile(in, pitch, bias, channels, out);                                                            \
  }                                                                                                         \
  void grad_##tag(const T* const* in, std::int64_t channels, std::int64_t pitch, T* out) {                  \
    grad_tile(in, channels, pitch, out);                                                                    \
  }                                                                                                         \
  void weight_##tag(const T* weight, bool turned, std::int64_t channels, std::int64_t pitch, T* out) {      \
    weight_tile(weight, turned, channels, pitch, out);                                                      \
  }                                                                                                         \
  void grad_weight_##tag(const T* in, std::int64_t pitch, std::int64_t channels, T* grad_weight) {          \
    grad_weight_tile(in, pitch, channels, grad_weight);                                                     \
  }
REIN_WINOGRAD_KERNELS(float, f32)
REIN_WINOGRAD_KERNELS(double, f64)
#undef REIN_WINOGRAD_KERNELS

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <vector>

#include "tensor/cpu/dispatch.h"
#include "tensor/ops/matmul/gemm_cpu.h"
#include "tensor/parallel.h"
#include "tensor/tensor.h"

namespace rein::ops::cpu {
namespace {
HWY_EXPORT(input_f32);
HWY_EXPORT(input_f64);
HWY_EXPORT(output_f32);
HWY_EXPORT(output_f64);
HWY_EXPORT(grad_f32);
HWY_EXPORT(grad_f64);
HWY_EXPORT(weight_f32);
HWY_EXPORT(weight_f64);
HWY_EXPORT(grad_weight_f32);
HWY_EXPORT(grad_weight_f64);

constexpr std::int64_t places = 16;
constexpr std::int64_t strip_bytes = std::int64_t{8} << 20;  // both sides of the products of a strip
constexpr std::int64_t tiles_per_task = 16;

// The 2x2 tiles of the output map, row-major per image.
struct Tiles {
  std::int64_t rows, cols, count, strip;
};
Tiles tiles_of(const ConvShape& s, std::size_t element) {
  Tiles t{(s.out_height + 1) / 2, (s.out_width + 1) / 2, 0, 0};
  t.count = s.batch * t.rows * t.cols;
  const std::int64_t per_tile = places * (s.in + s.out) * static_cast<std::int64_t>(element);
  const std::int64_t fit = std::clamp<std::int64_t>(strip_bytes / std::max<std::int64_t>(per_tile, 1), 96, 4096);
  t.strip = std::max<std::int64_t>(1, std::min(t.count, fit));
  return t;
}

// Memory of the tensors' kind: large blocks are used again, and counted.
template <class T>
class Room {
 public:
  explicit Room(std::int64_t count) : tensor_(Tensor::empty({count}, dtype_v<T>)), data_(tensor_.mutable_data<T>()) {}
  T* get() const { return data_; }

 private:
  Tensor tensor_;
  T* data_;
};

// The pixels of a (batch, height, width, channels) map around tile `tile`: side x side of them from row
// 2 i - shift, column 2 j - shift; `outside` where there is no pixel.
template <class T>
void pixels_of(T* map, std::int64_t height, std::int64_t width, std::int64_t channels, const Tiles& t,
               std::int64_t tile, int side, std::int64_t shift, T* outside, T** out) {
  const std::int64_t n = tile / (t.rows * t.cols), i = tile / t.cols % t.rows, j = tile % t.cols;
  for (int r = 0; r < side; ++r)
    for (int c = 0; c < side; ++c) {
      const std::int64_t y = 2 * i - shift + r, x = 2 * j - shift + c;
      const bool inside = y >= 0 && y < height && x >= 0 && x < width;
      *out++ = inside ? map + ((n * height + y) * width + x) * channels : outside;
    }
}

// body(tile, place in the strip) for the tiles [first, first + count).
template <class F>
void for_tiles(std::int64_t first, std::int64_t count, const F& body) {
  parallel_ranges(count, tiles_per_task, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) body(first + i, i);
  });
}

// v[p] (strip, in) = B^T d B of the strip's tiles.
template <class T>
void transform_inputs(const T* x, const ConvShape& s, const Tiles& t, std::int64_t first, std::int64_t count,
                      const T* zeros, T* v) {
  const auto kernel = REIN_KERNEL_OF(T, input);
  for_tiles(first, count, [&](std::int64_t tile, std::int64_t i) {
    const T* in[16];
    pixels_of(x, s.height, s.width, s.in, t, tile, 4, s.padding, zeros, in);
    kernel(in, s.in, count * s.in, v + i * s.in);
  });
}

// y from u[p], which is (out, in) for `along_in`, the file's order, and (in, out) otherwise.
template <class T>
void run_forward(const T* x, const T* u, bool along_in, const T* bias, const ConvShape& s, T* y) {
  const Tiles t = tiles_of(s, sizeof(T));
  const Room<T> v(places * t.strip * s.in), m(places * t.strip * s.out);
  const std::vector<T> zeros(static_cast<std::size_t>(s.in));
  const auto kernel = REIN_KERNEL_OF(T, output);
  for (std::int64_t first = 0; first < t.count; first += t.strip) {
    const std::int64_t count = std::min(t.strip, t.count - first);
    transform_inputs(x, s, t, first, count, zeros.data(), v.get());
    parallel_for(places, [&](std::int64_t p) {
      const MatrixSource<T> a(v.get() + p * count * s.in, s.in, false);
      const MatrixSource<T> b(u + p * s.in * s.out, along_in ? s.in : s.out, !along_in);
      gemm(GemmProblem<T>{&a, &b, count, s.out, s.in, m.get() + p * count * s.out, s.out, nullptr, T(1), false});
    });
    for_tiles(first, count, [&](std::int64_t tile, std::int64_t i) {
      T* out[4];
      pixels_of(y, s.out_height, s.out_width, s.out, t, tile, 2, 0, static_cast<T*>(nullptr), out);
      kernel(m.get() + i * s.out, count * s.out, bias, s.out, out);
    });
  }
}

// u[p] (O, I): the filters' transforms, in the weight's own order of channels.
template <class T>
Room<T> transform_weight(const T* weight, std::int64_t out, std::int64_t in, bool turned) {
  const Room<T> u(places * out * in);
  const auto kernel = REIN_KERNEL_OF(T, weight);
  parallel_ranges(out, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) kernel(weight + 9 * o * in, turned, in, out * in, u.get() + o * in);
  });
  return u;
}

}  // namespace

bool winograd_fits(const ConvShape& s) {
  return s.kernel_height == 3 && s.kernel_width == 3 && s.stride == 1 && s.padding <= 2;
}

template <class T>
void conv2d_winograd(const T* x, const T* weight, const T* bias, const ConvShape& s, T* y) {
  run_forward(x, transform_weight(weight, s.out, s.in, false).get(), true, bias, s, y);
}

template <class T>
void conv2d_winograd_grad_x(const T* grad_out, const T* weight, const ConvShape& s, T* grad_x) {
  const ConvShape back{s.batch, s.out_height, s.out_width, s.out, s.height, s.width, s.in, 3, 3, 1, 2 - s.padding};
  run_forward(grad_out, transform_weight(weight, s.out, s.in, true).get(), false, static_cast<const T*>(nullptr), back,
              grad_x);
}

template <class T>
void conv2d_winograd_grad_weight(const T* grad_out, const T* x, const ConvShape& s, T* grad_weight) {
  const Tiles t = tiles_of(s, sizeof(T));
  const Room<T> v(places * t.strip * s.in), m(places * t.strip * s.out);
  const Room<T> u(places * s.in * s.out);
  std::fill_n(u.get(), places * s.in * s.out, T(0));
  const std::vector<T> zeros(static_cast<std::size_t>(std::max(s.in, s.out)));
  const auto kernel = REIN_KERNEL_OF(T, grad);
  for (std::int64_t first = 0; first < t.count; first += t.strip) {
    const std::int64_t count = std::min(t.strip, t.count - first);
    transform_inputs(x, s, t, first, count, zeros.data(), v.get());
    for_tiles(first, count, [&](std::int64_t tile, std::int64_t i) {
      const T* in[4];
      pixels_of(grad_out, s.out_height, s.out_width, s.out, t, tile, 2, 0, zeros.data(), in);
      kernel(in, s.out, count * s.out, m.get() + i * s.out);
    });
    parallel_for(places, [&](std::int64_t p) {
      const MatrixSource<T> a(m.get() + p * count * s.out, s.out, true), b(v.get() + p * count * s.in, s.in, true);
      gemm(GemmProblem<T>{&a, &b, s.out, s.in, count, u.get() + p * s.in * s.out, s.in, nullptr, T(1), true});
    });
  }
  const auto last = REIN_KERNEL_OF(T, grad_weight);
  parallel_ranges(s.out, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) last(u.get() + o * s.in, s.out * s.in, s.in, grad_weight + 9 * o * s.in);
  });
}

#define REIN_INSTANTIATE(T)                                                          \
  template void conv2d_winograd(const T*, const T*, const T*, const ConvShape&, T*); \
  template void conv2d_winograd_grad_x(const T*, const T*, const ConvShape&, T*);    \
  template void conv2d_winograd_grad_weight(const T*, const T*, const ConvShape&, T*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)
#undef REIN_INSTANTIATE

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
