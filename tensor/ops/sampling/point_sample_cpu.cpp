// A map is copied into a frame of zeros first: then the four pixels of every point exist, none needs a test, and pixels
// outside are exact zeros. Points are turned into (place in the frame, fractions) once, and once for all rows that
// share them. Work is cut by rows (forward) and maps (backward): each is owned by one task, which adds in order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/sampling/point_sample_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/cpu/simd-inl.h"
#include "tensor/ops/sampling/point_sample_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

// The frame is (h + 3, w + 2): one row above, two below, one column at either side. A point outside goes to the two
// last rows, which hold nothing.
template <class T>
void find_places(const float* __restrict points, std::int64_t count, std::int32_t h, std::int32_t w,
                 std::int32_t* __restrict place, T* __restrict fx, T* __restrict fy) {
  const std::int32_t pitch = w + 2;
  const T width = static_cast<T>(w), height = static_cast<T>(h);
  for (std::int64_t p = 0; p < count; ++p) {
    const T x = static_cast<T>(points[2 * p]) * width - T(0.5), y = static_cast<T>(points[2 * p + 1]) * height - T(0.5);
    const bool inside = (x > T(-1)) & (x < width) & (y > T(-1)) & (y < height);  // false for NaN
    const T cx = inside ? x : T(0), cy = inside ? y : T(0);
    std::int32_t kx = static_cast<std::int32_t>(cx), ky = static_cast<std::int32_t>(cy);
    kx -= static_cast<T>(kx) > cx ? 1 : 0;  // floor
    ky -= static_cast<T>(ky) > cy ? 1 : 0;
    fx[p] = cx - static_cast<T>(kx);
    fy[p] = cy - static_cast<T>(ky);
    place[p] = inside ? (ky + 1) * pitch + kx + 1 : (h + 1) * pitch;
  }
}

// The pixels at `place`, as a vector.
template <class D, class T>
HWY_INLINE hn::Vec<D> gather(D d, const T* frame, const std::int32_t* place) {
  const hn::RebindToSigned<D> di;
  if constexpr (sizeof(T) == 4)
    return hn::GatherIndex(d, frame, hn::LoadU(di, place));
  else
    return hn::GatherIndex(d, frame, hn::PromoteTo(di, hn::LoadU(hn::Rebind<std::int32_t, D>(), place)));
}

template <class T>
void read_points(const T* frame, std::int32_t pitch, const std::int32_t* place, const T* fx, const T* fy,
                 std::int64_t count, T* out) {
  for_each_lane(hn::ScalableTag<T>(), count, [&](auto d, std::int64_t p) {
    const auto one = hn::Set(d, T(1)), x1 = load(d, fx + p), y1 = load(d, fy + p);
    const auto x0 = hn::Sub(one, x1), y0 = hn::Sub(one, y1);
    const auto top = hn::MulAdd(gather(d, frame, place + p), x0, hn::Mul(gather(d, frame + 1, place + p), x1));
    const T* below = frame + pitch;
    const auto bottom = hn::MulAdd(gather(d, below, place + p), x0, hn::Mul(gather(d, below + 1, place + p), x1));
    store(hn::MulAdd(top, y0, hn::Mul(bottom, y1)), d, out + p);
  });
}

template <class T>
void add_points(const T* __restrict grad, std::int32_t pitch, const std::int32_t* __restrict place,
                const T* __restrict fx, const T* __restrict fy, std::int64_t count, T* __restrict frame) {
  for (std::int64_t p = 0; p < count; ++p) {
    T* pixel = frame + place[p];
    const T x1 = fx[p], y1 = fy[p], x0 = T(1) - x1, y0 = T(1) - y1;
    const T top = grad[p] * y0, bottom = grad[p] * y1;
    pixel[0] += top * x0;
    pixel[1] += top * x1;
    pixel[pitch] += bottom * x0;
    pixel[pitch + 1] += bottom * x1;
  }
}

#define REIN_POINT_SAMPLE_KERNELS(T, suffix)                                                                         \
  void find_places_##suffix(const float* points, std::int64_t count, std::int32_t h, std::int32_t w,                 \
                            std::int32_t* place, T* fx, T* fy) {                                                     \
    find_places(points, count, h, w, place, fx, fy);                                                                 \
  }                                                                                                                  \
  void read_points_##suffix(const T* frame, std::int32_t pitch, const std::int32_t* place, const T* fx, const T* fy, \
                            std::int64_t count, T* out) {                                                            \
    read_points(frame, pitch, place, fx, fy, count, out);                                                            \
  }                                                                                                                  \
  void add_points_##suffix(const T* grad, std::int32_t pitch, const std::int32_t* place, const T* fx, const T* fy,   \
                           std::int64_t count, T* frame) {                                                           \
    add_points(grad, pitch, place, fx, fy, count, frame);                                                            \
  }
REIN_POINT_SAMPLE_KERNELS(float, f32)
REIN_POINT_SAMPLE_KERNELS(double, f64)
#undef REIN_POINT_SAMPLE_KERNELS

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "tensor/cpu/dispatch.h"
#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {
HWY_EXPORT(find_places_f32);
HWY_EXPORT(find_places_f64);
HWY_EXPORT(read_points_f32);
HWY_EXPORT(read_points_f64);
HWY_EXPORT(add_points_f32);
HWY_EXPORT(add_points_f64);

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

template <class T>
struct Places {
  std::vector<std::int32_t> place;
  std::vector<T> fx, fy;

  void find(const float* points, std::int64_t count, std::int64_t h, std::int64_t w) {
    place.resize(at(count)), fx.resize(at(count)), fy.resize(at(count));
    REIN_KERNEL_OF(T, find_places)
    (points, count, static_cast<std::int32_t>(h), static_cast<std::int32_t>(w), place.data(), fx.data(), fy.data());
  }
};

// Of the sets of points that several rows share; none where every row has its own.
template <class T>
std::vector<Places<T>> shared_places(const float* points, std::int64_t rows, std::int64_t sharing, std::int64_t count,
                                     std::int64_t h, std::int64_t w) {
  std::vector<Places<T>> sets(sharing > 1 ? at(rows / sharing) : 0);
  for (std::size_t s = 0; s < sets.size(); ++s)
    sets[s].find(points + static_cast<std::int64_t>(s) * count * 2, count, h, w);
  return sets;
}

// The four pixels of a point and their weights in a label map; pixels outside have weight 0 and stand at 0.
template <class T>
struct Taps {
  std::array<std::int64_t, 4> place{};
  std::array<T, 4> weight{};

  Taps(const float* point, std::int64_t h, std::int64_t w) {
    const T x = static_cast<T>(point[0]) * static_cast<T>(w) - T(0.5);
    const T y = static_cast<T>(point[1]) * static_cast<T>(h) - T(0.5);
    if (!(x > T(-1) && x < static_cast<T>(w) && y > T(-1) && y < static_cast<T>(h))) return;
    auto kx = static_cast<std::int64_t>(x), ky = static_cast<std::int64_t>(y);
    kx -= static_cast<T>(kx) > x ? 1 : 0;
    ky -= static_cast<T>(ky) > y ? 1 : 0;
    const T fx = x - static_cast<T>(kx), fy = y - static_cast<T>(ky);
    for (int i = 0; i < 4; ++i) {
      const std::int64_t px = kx + (i & 1), py = ky + (i >> 1);
      if (px < 0 || px >= w || py < 0 || py >= h) continue;
      place[at(i)] = py * w + px;
      weight[at(i)] = ((i & 1) != 0 ? fx : T(1) - fx) * ((i >> 1) != 0 ? fy : T(1) - fy);
    }
  }
};
}  // namespace

template <class T>
void point_sample(const T* maps, std::int64_t /*map_count*/, std::int64_t h, std::int64_t w, const std::int64_t* rows,
                  std::int64_t row_count, const float* points, std::int64_t point_count, std::int64_t sharing, T* out) {
  const std::vector<Places<T>> sets = shared_places<T>(points, row_count, sharing, point_count, h, w);
  const auto kernel = REIN_KERNEL_OF(T, read_points);
  const std::int64_t pitch = w + 2;
  parallel_for(row_count, [&](std::int64_t t) {
    const std::int64_t row = rows != nullptr ? rows[t] : t;
    if (row < 0) {
      std::fill_n(out + t * point_count, point_count, T(0));
      return;
    }
    std::vector<T> frame(at((h + 3) * pitch), T(0));
    const T* map = maps + row * h * w;
    for (std::int64_t y = 0; y < h; ++y) std::copy_n(map + y * w, w, frame.data() + (y + 1) * pitch + 1);
    Places<T> own;
    if (sets.empty()) own.find(points + t * point_count * 2, point_count, h, w);
    const Places<T>& use = sets.empty() ? own : sets[at(t / sharing)];
    kernel(frame.data(), static_cast<std::int32_t>(pitch), use.place.data(), use.fx.data(), use.fy.data(), point_count,
           out + t * point_count);
  });
}

template <class T>
void point_sample_backward(const T* grad_out, const std::int64_t* rows, std::int64_t row_count, const float* points,
                           std::int64_t point_count, std::int64_t sharing, std::int64_t maps, std::int64_t h,
                           std::int64_t w, T* grad_maps) {
  // The rows of each map, ascending: first[m] .. first[m + 1] of `order`.
  std::vector<std::int64_t> first(at(maps + 1), 0), order(at(row_count));
  const auto row_of = [&](std::int64_t t) { return rows != nullptr ? rows[t] : t; };
  for (std::int64_t t = 0; t < row_count; ++t)
    if (row_of(t) >= 0) ++first[at(row_of(t) + 1)];
  for (std::int64_t m = 0; m < maps; ++m) first[at(m + 1)] += first[at(m)];
  std::vector<std::int64_t> next(first.begin(), first.end() - 1);
  for (std::int64_t t = 0; t < row_count; ++t)
    if (row_of(t) >= 0) order[at(next[at(row_of(t))]++)] = t;

  const std::vector<Places<T>> sets = shared_places<T>(points, row_count, sharing, point_count, h, w);
  const auto kernel = REIN_KERNEL_OF(T, add_points);
  const std::int64_t pitch = w + 2;
  parallel_for(maps, [&](std::int64_t m) {
    T* grad = grad_maps + m * h * w;
    if (first[at(m)] == first[at(m + 1)]) {
      std::fill_n(grad, h * w, T(0));
      return;
    }
    std::vector<T> frame(at((h + 3) * pitch), T(0));
    Places<T> own;
    for (std::int64_t i = first[at(m)]; i < first[at(m + 1)]; ++i) {
      const std::int64_t t = order[at(i)];
      if (sets.empty()) own.find(points + t * point_count * 2, point_count, h, w);
      const Places<T>& use = sets.empty() ? own : sets[at(t / sharing)];
      kernel(grad_out + t * point_count, static_cast<std::int32_t>(pitch), use.place.data(), use.fx.data(),
             use.fy.data(), point_count, frame.data());
    }
    for (std::int64_t y = 0; y < h; ++y) std::copy_n(frame.data() + (y + 1) * pitch + 1, w, grad + y * w);
  });
}

template <class T, class Label>
void sample_label_mask(const Label* labels, std::int64_t /*image_count*/, std::int64_t h, std::int64_t w,
                       const std::int64_t* images, const std::int64_t* classes, std::int64_t row_count,
                       const float* points, std::int64_t point_count, std::int64_t sharing, T* out) {
  parallel_for(row_count, [&](std::int64_t t) {
    if (images[t] < 0) {
      std::fill_n(out + t * point_count, point_count, T(0));
      return;
    }
    const Label* map = labels + images[t] * h * w;
    const float* own = points + t / sharing * point_count * 2;
    for (std::int64_t p = 0; p < point_count; ++p) {
      const Taps<T> taps(own + 2 * p, h, w);
      T sum(0);
      for (std::size_t i = 0; i < 4; ++i)
        sum += static_cast<std::int64_t>(map[taps.place[i]]) == classes[t] ? taps.weight[i] : T(0);
      out[t * point_count + p] = sum;
    }
  });
}

template <class T, class Label>
void sample_label_classes(const Label* labels, std::int64_t images, std::int64_t h, std::int64_t w,
                          const std::int64_t* classes, std::int64_t class_count, const float* points,
                          std::int64_t point_count, T* out) {
  std::array<std::int64_t, 256> slot;
  slot.fill(-1);
  for (std::int64_t g = 0; g < class_count; ++g) slot[at(classes[g])] = g;
  for (std::int64_t n = 0; n < images;
       ++n, labels += h * w, points += 2 * point_count, out += class_count * point_count)
    parallel_ranges(point_count, 1 << 11, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t g = 0; g < class_count; ++g) std::fill_n(out + g * point_count + begin, end - begin, T(0));
      for (std::int64_t p = begin; p < end; ++p) {
        const Taps<T> taps(points + 2 * p, h, w);
        for (std::size_t i = 0; i < 4; ++i) {
          const auto label = static_cast<std::uint64_t>(labels[taps.place[i]]);
          const std::int64_t g = label < 256 ? slot[label] : -1;
          if (g >= 0) out[g * point_count + p] += taps.weight[i];
        }
      }
    });
}

// |x| as an unsigned number of the same order; NaN as infinity.
template <class T>
auto magnitude(T x) {
  using U = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  const U bits = std::bit_cast<U>(std::abs(x)), infinity = std::bit_cast<U>(std::numeric_limits<T>::infinity());
  return std::min(bits, infinity);
}

// A histogram over exponent and leading digits finds the bin that the last taken element is in; only that bin's
// elements are compared. Then one pass takes all below it and, of those equal to it, the first ones.
template <class T>
void smallest_magnitudes(const T* x, std::int64_t rows, std::int64_t cols, std::int64_t count, std::int64_t* indices) {
  if (count == 0) return;
  constexpr int shift = sizeof(T) == 4 ? 20 : 52;
  parallel_for(rows, [&](std::int64_t r) {
    const T* row = x + r * cols;
    std::array<std::int64_t, 2048> bins{};
    for (std::int64_t i = 0; i < cols; ++i) ++bins[magnitude(row[i]) >> shift];
    std::size_t bin = 0;
    std::int64_t left = count;  // to be taken from `bin` on
    while (left > bins[bin]) left -= bins[bin++];
    std::vector<decltype(magnitude(T(0)))> inside;
    inside.reserve(at(bins[bin]));
    for (std::int64_t i = 0; i < cols; ++i)
      if ((magnitude(row[i]) >> shift) == bin) inside.push_back(magnitude(row[i]));
    std::nth_element(inside.begin(), inside.begin() + (left - 1), inside.end());
    const auto last = inside[at(left - 1)];
    std::int64_t equal = left - std::count_if(inside.begin(), inside.end(), [&](auto v) { return v < last; });
    std::int64_t* to = indices + r * count;
    for (std::int64_t i = 0; i < cols; ++i) {
      const auto v = magnitude(row[i]);
      if (v < last || (v == last && equal-- > 0)) *to++ = i;
    }
  });
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

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
