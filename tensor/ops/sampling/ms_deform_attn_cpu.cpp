// One (image, head, query) at a time: first the points become a short list of taps (pixel, weight), then the taps run
// over the head's channels with their sums in registers. Work is cut by (image, head): the head's slice of a value is
// small enough for the second cache, and grad_value of a head has one owner, who adds in the order of the queries.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/sampling/ms_deform_attn_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/cpu/simd-inl.h"
#include "tensor/ops/sampling/ms_deform_attn_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

constexpr std::int64_t points_at_once = 64;  // what a tap list holds

// Pixel coordinates of some points of one query and head, x and y in turn.
template <class T>
struct Points {
  T at[2 * points_at_once], floor[2 * points_at_once], fraction[2 * points_at_once];
};

template <class T>
HWY_INLINE void place_points(const T* location, const T* size, std::int64_t count, Points<T>& points) {
  const hn::ScalableTag<T> d;
  for_each_lane(d, 2 * count, [&](auto v, std::int64_t i) {
    const auto at = hn::Sub(hn::Mul(load(v, location + i), load(v, size + i)), hn::Set(v, T(0.5)));
    const auto floor = hn::Floor(at);
    store(at, v, points.at + i);
    store(floor, v, points.floor + i);
    store(hn::Sub(at, floor), v, points.fraction + i);
  });
}

// The four pixels around a point. Corner k: x0 + (k & 1), y0 + (k >> 1). `pixel` of a corner outside of the map is some
// pixel inside, so that reading it is harmless.
template <class T>
struct Cell {
  T fx, fy;
  std::int64_t pixel[4];
  bool inside[4];
};

// False: all four corners are outside. A NaN coordinate is a cell with NaN fractions.
template <class T>
HWY_INLINE bool find_cell(const Points<T>& points, std::int64_t i, const DeformLevel& level, Cell<T>& cell) {
  const T x = points.at[2 * i], y = points.at[2 * i + 1];
  std::int64_t x0 = 0, y0 = 0;
  if (x > T(-1) && x < static_cast<T>(level.width) && y > T(-1) && y < static_cast<T>(level.height)) {
    x0 = static_cast<std::int64_t>(points.floor[2 * i]), y0 = static_cast<std::int64_t>(points.floor[2 * i + 1]);
    cell.fx = points.fraction[2 * i], cell.fy = points.fraction[2 * i + 1];
  } else if (x == x && y == y) {
    return false;
  } else {
    cell.fx = cell.fy = static_cast<T>(__builtin_nan(""));
  }
  const bool left = x0 >= 0, right = x0 + 1 < level.width, top = y0 >= 0, bottom = y0 + 1 < level.height;
  const std::int64_t xl = left ? x0 : 0, xr = right ? x0 + 1 : x0;
  const std::int64_t top_row = level.first + (top ? y0 : 0) * level.width;
  const std::int64_t bottom_row = level.first + (bottom ? y0 + 1 : y0) * level.width;
  cell.pixel[0] = top_row + xl, cell.pixel[1] = top_row + xr;
  cell.pixel[2] = bottom_row + xl, cell.pixel[3] = bottom_row + xr;
  cell.inside[0] = top && left, cell.inside[1] = top && right;
  cell.inside[2] = bottom && left, cell.inside[3] = bottom && right;
  return true;
}

template <class T>
HWY_INLINE void bilinear_weights(const Cell<T>& cell, T* b) {
  b[0] = (T(1) - cell.fy) * (T(1) - cell.fx), b[1] = (T(1) - cell.fy) * cell.fx;
  b[2] = cell.fy * (T(1) - cell.fx), b[3] = cell.fy * cell.fx;
}

template <class T>
struct TapList {
  std::int64_t count = 0;
  std::int64_t offset[4 * points_at_once];  // elements from the head's first channel of token 0
  T weight[4 * points_at_once];
};

// K vectors of channels, from c on.
template <int K, class D, class T = hn::TFromD<D>>
HWY_INLINE void run_taps(D d, const T* value, const TapList<T>& taps, T* out) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<D> sum[K];
  for (int k = 0; k < K; ++k) sum[k] = load(d, out + k * lanes);
  for (std::int64_t t = 0; t < taps.count; ++t) {
    const auto w = hn::Set(d, taps.weight[t]);
    const T* from = value + taps.offset[t];
    for (int k = 0; k < K; ++k) sum[k] = hn::MulAdd(w, load(d, from + k * lanes), sum[k]);
  }
  for (int k = 0; k < K; ++k) store(sum[k], d, out + k * lanes);
}

template <class T>
HWY_INLINE void add_taps(const T* value, const TapList<T>& taps, std::int64_t width, T* out) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + 4 * lanes <= width; c += 4 * lanes) run_taps<4>(d, value + c, taps, out + c);
  for (; c + 2 * lanes <= width; c += 2 * lanes) run_taps<2>(d, value + c, taps, out + c);
  for_each_lane(d, width - c, [&](auto v, std::int64_t i) { run_taps<1>(v, value + c + i, taps, out + c + i); });
}

template <class T>
void forward_queries(const DeformInput<T>& in, std::int64_t image, std::int64_t head, std::int64_t begin,
                     std::int64_t end, T* out) {
  const std::int64_t channels = in.heads * in.width, per_head = in.levels * in.points;
  const T* value = in.value + image * in.tokens * channels + head * in.width;
  TapList<T> taps;
  Points<T> points;
  Cell<T> cell{};
  for (std::int64_t q = begin; q < end; ++q) {
    const std::int64_t row = image * in.queries + q, first = (row * in.heads + head) * per_head;
    T* to = out + row * channels + head * in.width;
    for (std::int64_t c = 0; c < in.width; ++c) to[c] = T(0);
    for (std::int64_t i = 0; i < per_head;) {
      taps.count = 0;
      const std::int64_t count = i + points_at_once < per_head ? points_at_once : per_head - i;
      place_points(in.locations + 2 * (first + i), in.size + 2 * i, count, points);
      for (std::int64_t p = 0; p < count; ++p, ++i) {
        if (!find_cell(points, p, in.level[i], cell)) continue;
        T b[4];
        bilinear_weights(cell, b);
        for (int k = 0; k < 4; ++k) {
          taps.offset[taps.count] = cell.pixel[k] * channels;
          taps.weight[taps.count] = b[k] * in.weights[first + i];
          taps.count += cell.inside[k];
        }
      }
      add_taps(value, taps, in.width, to);
    }
  }
}

// Sums of the lanes of four vectors: neighbours are added until each vector is one lane, all four in one go.
template <class D, class V, class T = hn::TFromD<D>>
HWY_INLINE void four_sums(D d, V s0, V s1, V s2, V s3, T* sum) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (hn::MaxLanes(D()) >= 4) {
    const auto pairs = [&](V lower, V upper) {
      return hn::Add(hn::ConcatEven(d, upper, lower), hn::ConcatOdd(d, upper, lower));
    };
    V all = pairs(pairs(s0, s1), pairs(s2, s3));
    for (std::size_t left = hn::MaxLanes(D()); left > 4; left /= 2) all = pairs(all, all);
    T lanes[hn::MaxLanes(D())];
    store(all, d, lanes);
    for (int k = 0; k < 4; ++k) sum[k] = lanes[k];
    return;
  }
#endif
  sum[0] = hn::GetLane(hn::SumOfLanes(d, s0)), sum[1] = hn::GetLane(hn::SumOfLanes(d, s1));
  sum[2] = hn::GetLane(hn::SumOfLanes(d, s2)), sum[3] = hn::GetLane(hn::SumOfLanes(d, s3));
}

// The products of grad_out with the four corners.
template <class T>
HWY_INLINE void corner_dots(const T* grad_out, const T* value, const std::int64_t* offset, std::int64_t width, T* dot) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  const T *v0 = value + offset[0], *v1 = value + offset[1], *v2 = value + offset[2], *v3 = value + offset[3];
  std::int64_t c = 0;
  for (; c + lanes <= width; c += lanes) {
    const auto g = load(d, grad_out + c);
    s0 = hn::MulAdd(g, load(d, v0 + c), s0), s1 = hn::MulAdd(g, load(d, v1 + c), s1);
    s2 = hn::MulAdd(g, load(d, v2 + c), s2), s3 = hn::MulAdd(g, load(d, v3 + c), s3);
  }
  four_sums(d, s0, s1, s2, s3, dot);
  for (; c < width; ++c) {
    dot[0] += grad_out[c] * v0[c], dot[1] += grad_out[c] * v1[c];
    dot[2] += grad_out[c] * v2[c], dot[3] += grad_out[c] * v3[c];
  }
}

// Gradients of one head from queries [begin, end). grad_value is added to: its owner zeroes it and gives all queries.
template <class T>
void backward_queries(const DeformInput<T>& in, const T* grad_out, std::int64_t image, std::int64_t head,
                      std::int64_t begin, std::int64_t end, T* grad_value, T* grad_locations, T* grad_weights) {
  const hn::ScalableTag<T> d;
  const std::int64_t channels = in.heads * in.width, per_head = in.levels * in.points;
  const std::int64_t base = image * in.tokens * channels + head * in.width;
  const T* value = in.value + base;
  T* to_value = grad_value != nullptr ? grad_value + base : nullptr;
  Points<T> points;
  Cell<T> cell{};
  for (std::int64_t q = begin; q < end; ++q) {
    const std::int64_t row = image * in.queries + q, first = (row * in.heads + head) * per_head;
    const T* g = grad_out + row * channels + head * in.width;
    for (std::int64_t p = 0; p < per_head; ++p) {
      if (p % points_at_once == 0) {
        const std::int64_t count = p + points_at_once < per_head ? points_at_once : per_head - p;
        place_points(in.locations + 2 * (first + p), in.size + 2 * p, count, points);
      }
      const std::int64_t i = first + p;
      const DeformLevel& level = in.level[p];
      T grad_a = 0, grad_x = 0, grad_y = 0;
      if (find_cell(points, p % points_at_once, level, cell)) {
        const T a = in.weights[i];
        T b[4];
        bilinear_weights(cell, b);
        std::int64_t offset[4];
        for (int k = 0; k < 4; ++k) offset[k] = cell.pixel[k] * channels;
        if (grad_locations != nullptr || grad_weights != nullptr) {
          T dot[4];
          corner_dots(g, value, offset, in.width, dot);
          for (int k = 0; k < 4; ++k) dot[k] = cell.inside[k] ? dot[k] : T(0);
          grad_a = (b[0] * dot[0] + b[1] * dot[1]) + (b[2] * dot[2] + b[3] * dot[3]);
          grad_x = (T(1) - cell.fy) * (dot[1] - dot[0]) + cell.fy * (dot[3] - dot[2]);
          grad_y = (T(1) - cell.fx) * (dot[2] - dot[0]) + cell.fx * (dot[3] - dot[1]);
          grad_x *= a * static_cast<T>(level.width), grad_y *= a * static_cast<T>(level.height);
        }
        if (to_value != nullptr) {
          for (int k = 0; k < 4; ++k) {
            if (!cell.inside[k]) continue;
            const T w = b[k] * a;
            T* to = to_value + offset[k];
            for_each_lane(d, in.width, [&](auto v, std::int64_t c) {
              store(hn::MulAdd(hn::Set(v, w), load(v, g + c), load(v, to + c)), v, to + c);
            });
          }
        }
      }
      if (grad_weights != nullptr) grad_weights[i] = grad_a;
      if (grad_locations != nullptr) grad_locations[2 * i] = grad_x, grad_locations[2 * i + 1] = grad_y;
    }
  }
}

void forward_f32(const DeformInput<float>& in, std::int64_t image, std::int64_t head, std::int64_t begin,
                 std::int64_t end, float* out) {
  forward_queries(in, image, head, begin, end, out);
}
void forward_f64(const DeformInput<double>& in, std::int64_t image, std::int64_t head, std::int64_t begin,
                 std::int64_t end, double* out) {
  forward_queries(in, image, head, begin, end, out);
}
void backward_f32(const DeformInput<float>& in, const float* grad_out, std::int64_t image, std::int64_t head,
                  std::int64_t begin, std::int64_t end, float* grad_value, float* grad_locations, float* grad_weights) {
  backward_queries(in, grad_out, image, head, begin, end, grad_value, grad_locations, grad_weights);
}
void backward_f64(const DeformInput<double>& in, const double* grad_out, std::int64_t image, std::int64_t head,
                  std::int64_t begin, std::int64_t end, double* grad_value, double* grad_locations,
                  double* grad_weights) {
  backward_queries(in, grad_out, image, head, begin, end, grad_value, grad_locations, grad_weights);
}

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "tensor/cpu/dispatch.h"
#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {
HWY_EXPORT(forward_f32);
HWY_EXPORT(forward_f64);
HWY_EXPORT(backward_f32);
HWY_EXPORT(backward_f64);

constexpr std::int64_t queries_at_once = 512;

// body(image, head, begin, end), heads outermost: neighbouring tasks read the same slice of value.
template <class T, class F>
void for_query_ranges(const DeformInput<T>& in, const F& body) {
  const std::int64_t ranges = (in.queries + queries_at_once - 1) / queries_at_once;
  parallel_for(in.images * in.heads * ranges, [&](std::int64_t task) {
    const std::int64_t begin = task % ranges * queries_at_once, owner = task / ranges;
    body(owner / in.heads, owner % in.heads, begin, std::min(in.queries, begin + queries_at_once));
  });
}

}  // namespace

template <class T>
void ms_deform_attn(const DeformInput<T>& in, T* out) {
  const auto kernel = REIN_KERNEL_OF(T, forward);
  for_query_ranges(in, [&](std::int64_t image, std::int64_t head, std::int64_t begin, std::int64_t end) {
    kernel(in, image, head, begin, end, out);
  });
}

template <class T>
void ms_deform_attn_backward(const DeformInput<T>& in, const T* grad_out, T* grad_value, T* grad_locations,
                             T* grad_weights, bool /*atomics*/) {
  const auto kernel = REIN_KERNEL_OF(T, backward);
  const std::int64_t owners = in.images * in.heads, channels = in.heads * in.width;
  // With fewer owners than threads the points' gradients, which need no owner, are a sweep of their own. The same
  // arithmetic either way, so the same bits.
  const bool one_sweep = grad_value != nullptr && owners >= thread_count();
  if (grad_value != nullptr) {
    parallel_for(owners, [&](std::int64_t owner) {
      const std::int64_t image = owner / in.heads, head = owner % in.heads;
      for (std::int64_t s = 0; s < in.tokens; ++s)
        std::fill_n(grad_value + (image * in.tokens + s) * channels + head * in.width, in.width, T(0));
      kernel(in, grad_out, image, head, 0, in.queries, grad_value, one_sweep ? grad_locations : nullptr,
             one_sweep ? grad_weights : nullptr);
    });
  }
  if (one_sweep || (grad_locations == nullptr && grad_weights == nullptr)) return;
  for_query_ranges(in, [&](std::int64_t image, std::int64_t head, std::int64_t begin, std::int64_t end) {
    kernel(in, grad_out, image, head, begin, end, nullptr, grad_locations, grad_weights);
  });
}

template <class T>
void sampling_locations(const T* offsets, const T* reference, const DeformLevel* level, std::int64_t rows,
                        std::int64_t heads, std::int64_t levels, std::int64_t points, T* out) {
  const std::int64_t cols = heads * levels * points * 2;
  const std::int64_t grain = rows_per_range(cols);
  parallel_ranges(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const T* from = offsets + r * cols;
      T* to = out + r * cols;
      for (std::int64_t m = 0; m < heads; ++m)
        for (std::int64_t l = 0; l < levels; ++l) {
          const T x = reference[(r * levels + l) * 2], y = reference[(r * levels + l) * 2 + 1];
          const T w = T(1) / static_cast<T>(level[l].width), h = T(1) / static_cast<T>(level[l].height);
          for (std::int64_t p = 0; p < points; ++p, from += 2, to += 2) {
            to[0] = x + from[0] * w;
            to[1] = y + from[1] * h;
          }
        }
    }
  });
}

template <class T>
void sampling_locations_backward(const T* grad_out, const DeformLevel* level, std::int64_t rows, std::int64_t heads,
                                 std::int64_t levels, std::int64_t points, T* grad_offsets, T* grad_reference) {
  const std::int64_t cols = heads * levels * points * 2;
  const std::int64_t grain = rows_per_range(cols);
  parallel_ranges(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      if (grad_reference != nullptr) std::fill_n(grad_reference + r * levels * 2, levels * 2, T(0));
      for (std::int64_t m = 0; m < heads; ++m)
        for (std::int64_t l = 0; l < levels; ++l) {
          const T w = T(1) / static_cast<T>(level[l].width), h = T(1) / static_cast<T>(level[l].height);
          const std::int64_t first = r * cols + (m * levels + l) * points * 2;
          for (std::int64_t i = first; i < first + points * 2; i += 2) {
            if (grad_offsets != nullptr) grad_offsets[i] = grad_out[i] * w, grad_offsets[i + 1] = grad_out[i + 1] * h;
            if (grad_reference == nullptr) continue;
            grad_reference[(r * levels + l) * 2] += grad_out[i];
            grad_reference[(r * levels + l) * 2 + 1] += grad_out[i + 1];
          }
        }
    }
  });
}

#define REIN_INSTANTIATE(T)                                                                                          \
  template void ms_deform_attn(const DeformInput<T>&, T*);                                                           \
  template void ms_deform_attn_backward(const DeformInput<T>&, const T*, T*, T*, T*, bool);                          \
  template void sampling_locations(const T*, const T*, const DeformLevel*, std::int64_t, std::int64_t, std::int64_t, \
                                   std::int64_t, T*);                                                                \
  template void sampling_locations_backward(const T*, const DeformLevel*, std::int64_t, std::int64_t, std::int64_t,  \
                                            std::int64_t, T*, T*)
REIN_INSTANTIATE(float);
REIN_INSTANTIATE(double);

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
