// Sums: fixed chunks, vectorised within a chunk, partial sums added in chunk order in double.
// Over an axis with inner > 1 a chunk is (one outer index, a range of the axis, a range of inner columns).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/shape/reduce_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/cpu/simd-inl.h"
#include "tensor/ops/shape/reduce_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

template <class T>
T sum_range(const T* x, std::int64_t count) {
  return sum_of<T>(count, [&](auto v, std::int64_t i) { return load(v, x + i); });
}

// sums[c] = sum over rows of x[r * pitch + c].
template <class T>
void sum_columns(const T* x, std::int64_t rows, std::int64_t pitch, std::int64_t cols, T* sums) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + 4 * lanes <= cols; c += 4 * lanes) {
    auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* from = x + r * pitch + c;
      s0 = hn::Add(s0, load(d, from));
      s1 = hn::Add(s1, load(d, from + lanes));
      s2 = hn::Add(s2, load(d, from + 2 * lanes));
      s3 = hn::Add(s3, load(d, from + 3 * lanes));
    }
    store(s0, d, sums + c);
    store(s1, d, sums + c + lanes);
    store(s2, d, sums + c + 2 * lanes);
    store(s3, d, sums + c + 3 * lanes);
  }
  for_each_lane(d, cols - c, [&](auto v, std::int64_t i) {
    auto s = hn::Zero(v);
    for (std::int64_t r = 0; r < rows; ++r) s = hn::Add(s, load(v, x + r * pitch + c + i));
    store(s, v, sums + c + i);
  });
}

float sum_range_f32(const float* x, std::int64_t count) {
  return sum_range(x, count);
}
double sum_range_f64(const double* x, std::int64_t count) {
  return sum_range(x, count);
}
void sum_columns_f32(const float* x, std::int64_t rows, std::int64_t pitch, std::int64_t cols, float* sums) {
  sum_columns(x, rows, pitch, cols, sums);
}
void sum_columns_f64(const double* x, std::int64_t rows, std::int64_t pitch, std::int64_t cols, double* sums) {
  sum_columns(x, rows, pitch, cols, sums);
}

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <vector>

#include "tensor/cpu/dispatch.h"
#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {
HWY_EXPORT(sum_range_f32);
HWY_EXPORT(sum_range_f64);
HWY_EXPORT(sum_columns_f32);
HWY_EXPORT(sum_columns_f64);

constexpr std::int64_t sum_chunk = 1 << 12;  // short: a chunk is summed in T, chunks in double

template <class T>
double sum_in_chunks(const T* x, std::int64_t count) {
  const auto kernel = REIN_KERNEL_OF(T, sum_range);
  double sum = 0;
  for (std::int64_t i = 0; i < count; i += sum_chunk)
    sum += static_cast<double>(kernel(x + i, std::min(sum_chunk, count - i)));
  return sum;
}

template <class T>
void sum_inner_columns(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, double scale, T* y) {
  constexpr std::int64_t rows_per_chunk = 64, cols_per_chunk = 1024;
  const std::int64_t col_chunks = (inner + cols_per_chunk - 1) / cols_per_chunk;
  const std::int64_t row_chunks = std::max<std::int64_t>(1, (size + rows_per_chunk - 1) / rows_per_chunk);
  const auto column_sums = REIN_KERNEL_OF(T, sum_columns);
  // One group of row chunks at a time keeps the partial lines small however long the axis is.
  constexpr std::int64_t chunks_per_group = 64;
  const std::int64_t groups = (row_chunks + chunks_per_group - 1) / chunks_per_group;
  std::vector<double> total(static_cast<std::size_t>(outer * inner), 0.0);
  if (groups == 1 && outer * col_chunks >= 16) {  // enough independent columns: no partial lines in memory
    parallel_for(outer * col_chunks, [&](std::int64_t i) {
      const std::int64_t o = i / col_chunks, col = i % col_chunks * cols_per_chunk;
      const std::int64_t cols = std::min(cols_per_chunk, inner - col);
      T sums[cols_per_chunk];
      double* into = total.data() + o * inner + col;
      for (std::int64_t row = 0; row < size; row += rows_per_chunk) {
        column_sums(x + (o * size + row) * inner + col, std::min(rows_per_chunk, size - row), inner, cols, sums);
        for (std::int64_t c = 0; c < cols; ++c) into[c] += static_cast<double>(sums[c]);
      }
    });
  } else {
    std::vector<T> partial(static_cast<std::size_t>(outer * std::min(row_chunks, chunks_per_group) * inner));
    for (std::int64_t group = 0; group < groups; ++group) {
      const std::int64_t first = group * chunks_per_group, chunks = std::min(chunks_per_group, row_chunks - first);
      parallel_for(outer * chunks, [&](std::int64_t i) {
        const std::int64_t o = i / chunks, row = (first + i % chunks) * rows_per_chunk;
        column_sums(x + (o * size + row) * inner, std::min(rows_per_chunk, size - row), inner, inner,
                    partial.data() + i * inner);
      });
      for (std::int64_t i = 0; i < outer * chunks; ++i) {
        double* into = total.data() + i / chunks * inner;
        const T* line = partial.data() + i * inner;
        for (std::int64_t c = 0; c < inner; ++c) into[c] += static_cast<double>(line[c]);
      }
    }
  }
  for (std::int64_t i = 0; i < outer * inner; ++i) y[i] = static_cast<T>(total[static_cast<std::size_t>(i)] * scale);
}

}  // namespace

template <class T>
void sum_all(const T* x, std::int64_t count, double scale, T* y) {
  const std::int64_t chunks = (count + elementwise_grain - 1) / elementwise_grain;
  std::vector<double> partial(static_cast<std::size_t>(chunks));
  parallel_ranges(count, elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
    partial[static_cast<std::size_t>(begin / elementwise_grain)] = sum_in_chunks(x + begin, end - begin);
  });
  double sum = 0;
  for (const double p : partial) sum += p;
  *y = static_cast<T>(sum * scale);
}

template <class T>
void sum_axis(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, double scale, T* y) {
  if (outer == 0 || inner == 0) return;
  if (inner == 1 && outer == 1) {
    sum_all(x, size, scale, y);
  } else if (inner == 1) {
    parallel_ranges(outer, rows_per_range(size), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t o = begin; o < end; ++o) y[o] = static_cast<T>(sum_in_chunks(x + o * size, size) * scale);
    });
  } else {
    sum_inner_columns(x, outer, size, inner, scale, y);
  }
}

template <class T>
void spread_axis(const T* grad_out, std::int64_t outer, std::int64_t size, std::int64_t inner, T scale, T* grad_x) {
  parallel_ranges(outer * size, rows_per_range(inner), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T* from = grad_out + i / size * inner;
      T* to = grad_x + i * inner;
      for (std::int64_t c = 0; c < inner; ++c) to[c] = from[c] * scale;
    }
  });
}

template <class T>
void spread_all(const T* grad_out, std::int64_t count, double scale, T* grad_x) {
  std::fill_n(grad_x, count, static_cast<T>(static_cast<double>(*grad_out) * scale));
}

template <class T>
void max_axis(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* values, std::int64_t* indices) {
  parallel_ranges(outer, rows_per_range(size * inner), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      T* best = values + o * inner;
      std::int64_t* place = indices + o * inner;
      const T* row = x + o * size * inner;
      std::copy_n(row, inner, best);
      std::fill_n(place, inner, std::int64_t{0});
      for (std::int64_t k = 1; k < size; ++k) {
        row += inner;
        for (std::int64_t c = 0; c < inner; ++c) {
          // A NaN replaces a number, and nothing replaces a NaN.
          const bool better = row[c] > best[c] || (row[c] != row[c] && best[c] == best[c]);
          best[c] = better ? row[c] : best[c];
          place[c] = better ? k : place[c];
        }
      }
    }
  });
}

template <class T>
void max_axis_backward(const T* grad_out, const std::int64_t* indices, std::int64_t outer, std::int64_t size,
                       std::int64_t inner, T* grad_x) {
  parallel_ranges(outer, rows_per_range(size * inner), [&](std::int64_t begin, std::int64_t end) {
    std::fill(grad_x + begin * size * inner, grad_x + end * size * inner, T(0));
    for (std::int64_t o = begin; o < end; ++o) {
      for (std::int64_t c = 0; c < inner; ++c) {
        grad_x[(o * size + indices[o * inner + c]) * inner + c] = grad_out[o * inner + c];
      }
    }
  });
}

#define REIN_INSTANTIATE(T)                                                                      \
  template void sum_all(const T*, std::int64_t, double, T*);                                     \
  template void spread_all(const T*, std::int64_t, double, T*);                                  \
  template void sum_axis(const T*, std::int64_t, std::int64_t, std::int64_t, double, T*);        \
  template void spread_axis(const T*, std::int64_t, std::int64_t, std::int64_t, T, T*);          \
  template void max_axis(const T*, std::int64_t, std::int64_t, std::int64_t, T*, std::int64_t*); \
  template void max_axis_backward(const T*, const std::int64_t*, std::int64_t, std::int64_t, std::int64_t, T*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)
#undef REIN_INSTANTIATE

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
