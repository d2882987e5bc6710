// Who owns what: a block of 128 threads owns 128 neighbouring rows. Up to 48 classes the block copies its rows into
// shared memory, all threads side by side, and a thread owns a row there (K = 19 is odd: no two threads meet in a
// bank); with more classes a warp owns a row at a time and its lanes walk the classes in memory. A block leaves the sum
// of its rows' losses in memory; one block adds them in a fixed order, in double.
#include "tensor/ops/loss/cross_entropy_kernels.h"

#include "tensor/cuda/add_lines.h"
#include "tensor/cuda/first_max.h"
#include "tensor/cuda/scratch.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int block_rows = 128;
constexpr std::int64_t most_staged = 48;
constexpr std::size_t scratch_bytes = block_rows / warp_size * sizeof(double);  // before the staged rows

// One row, seen by the one thread (staged) or the 32 lanes that own it.
template <class T, bool staged>
struct Row {
  const T* values;
  std::int64_t classes;

  template <class F>
  __device__ void each(F&& body) const {
    for (std::int64_t k = staged ? 0 : threadIdx.x % warp_size; k < classes; k += staged ? 1 : warp_size)
      body(values[k], k);
  }
  __device__ T max() const {  // which one a NaN gives is open: the exponentials of the row carry it on
    T top = T(-INFINITY);
    each([&](T v, std::int64_t) { top = v > top ? v : top; });
    if constexpr (!staged) top = warp_max(top);
    return top;
  }
  __device__ T sum_exp(T top) const {
    T sum = 0;
    each([&](T v, std::int64_t) { sum += exp(v - top); });
    if constexpr (!staged) sum = warp_sum(sum);
    return sum;
  }
  __device__ std::int64_t first_max() const {
    FirstMax<T> best;
    each([&](T v, std::int64_t k) { best.take(v, k); });
    if constexpr (!staged) best.join_warp();
    return best.place;
  }
  __device__ bool first_owner() const { return staged || threadIdx.x % warp_size == 0; }
};

template <class T>
__device__ T* staged_rows() {
  return reinterpret_cast<T*>(dynamic_shared<unsigned char>() + scratch_bytes);
}

// body(row, index) for the rows of this block, by their owners.
template <class T, bool staged, class F>
__device__ void each_row(const T* logits, std::int64_t rows, std::int64_t classes, F&& body) {
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * block_rows;
  const std::int64_t count = first + block_rows < rows ? block_rows : rows - first;
  if constexpr (staged) {
    T* tile = staged_rows<T>();
    for (std::int64_t i = threadIdx.x; i < count * classes; i += block_rows) tile[i] = logits[first * classes + i];
    __syncthreads();
    if (static_cast<std::int64_t>(threadIdx.x) < count)
      body(Row<T, true>{tile + threadIdx.x * classes, classes}, first + threadIdx.x);
  } else {
    for (std::int64_t r = threadIdx.x / warp_size; r < count; r += block_rows / warp_size)
      body(Row<T, false>{logits + (first + r) * classes, classes}, first + r);
  }
}

template <class T, bool staged>
__global__ void forward_kernel(const T* logits, const std::int64_t* labels, std::int64_t rows, std::int64_t classes,
                               std::int64_t ignore, T* log_sum, double* parts) {
  double loss = 0;
  each_row<T, staged>(logits, rows, classes, [&](Row<T, staged> row, std::int64_t r) {
    const std::int64_t label = labels[r];
    T s = 0;
    if (label != ignore) {  // the same for all lanes of a row
      const T top = row.max();
      s = log(row.sum_exp(top));
      const bool known = label >= 0 && label < classes;
      if (!known) s = T(NAN);
      if (row.first_owner())
        loss +=
            static_cast<double>(s) - (static_cast<double>(row.values[known ? label : 0]) - static_cast<double>(top));
    }
    if (row.first_owner()) log_sum[r] = s;
  });
  loss = block_sum(loss, dynamic_shared<double>());
  if (threadIdx.x == 0) parts[blockIdx.x] = loss;
}

template <class T, bool staged>
__global__ void backward_kernel(const T* grad_out, const T* logits, const std::int64_t* labels, const T* log_sum,
                                std::int64_t rows, std::int64_t classes, std::int64_t ignore, double divisor, T* grad) {
  const T scale = static_cast<T>(static_cast<double>(*grad_out) / divisor);
  each_row<T, staged>(logits, rows, classes, [&](Row<T, staged> row, std::int64_t r) {
    const std::int64_t label = labels[r];
    const bool counts = label != ignore;
    const T top = counts ? row.max() : T(0), log_of_sum = log_sum[r];
    // Staged rows are overwritten where they lie, then written out side by side.
    T* to = staged ? staged_rows<T>() + threadIdx.x * classes : grad + r * classes;
    row.each([&](T v, std::int64_t k) {
      to[k] = counts ? scale * (exp(v - top - log_of_sum) - (k == label ? T(1) : T(0))) : T(0);
    });
  });
  if constexpr (staged) {
    __syncthreads();
    const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * block_rows;
    const std::int64_t count = first + block_rows < rows ? block_rows : rows - first;
    for (std::int64_t i = threadIdx.x; i < count * classes; i += block_rows)
      grad[first * classes + i] = staged_rows<T>()[i];
  }
}

template <class T, class Id, bool staged>
__global__ void argmax_kernel(const T* logits, std::int64_t rows, std::int64_t classes, Id* ids) {
  each_row<T, staged>(logits, rows, classes, [&](Row<T, staged> row, std::int64_t r) {
    const std::int64_t place = row.first_max();
    if (row.first_owner()) ids[r] = static_cast<Id>(place);
  });
}

// parts (blocks, 2): hits and counted rows.
template <class T, bool staged>
__global__ void hits_kernel(const T* logits, const std::int64_t* labels, std::int64_t rows, std::int64_t classes,
                            std::int64_t ignore, std::int64_t* parts) {
  std::int64_t hits = 0, counted = 0;
  each_row<T, staged>(logits, rows, classes, [&](Row<T, staged> row, std::int64_t r) {
    const std::int64_t place = row.first_max();
    if (!row.first_owner() || labels[r] == ignore) return;
    ++counted;
    hits += place == labels[r] ? 1 : 0;
  });
  hits = block_sum(hits, dynamic_shared<std::int64_t>());
  counted = block_sum(counted, dynamic_shared<std::int64_t>());
  if (threadIdx.x == 0) {
    parts[2 * blockIdx.x] = hits;
    parts[2 * blockIdx.x + 1] = counted;
  }
}

unsigned blocks_of(std::int64_t rows) {
  require(rows <= std::int64_t{block_rows} << 30, "cross_entropy", "takes at most 2^37 rows on CUDA, got ", rows);
  return static_cast<unsigned>((rows + block_rows - 1) / block_rows);
}

template <class T>
std::size_t staged_bytes(std::int64_t classes) {
  return scratch_bytes + static_cast<std::size_t>(block_rows * classes) * sizeof(T);
}

}  // namespace

template <class T>
void cross_entropy(const T* logits, const std::int64_t* labels, std::int64_t rows, std::int64_t classes,
                   std::int64_t ignore, double divisor, T* log_sum, T* loss) {
  const unsigned blocks = blocks_of(rows);
  const bool staged = classes <= most_staged;
  Scratch<double> parts(blocks);
  launch("cross_entropy", staged ? forward_kernel<T, true> : forward_kernel<T, false>, blocks, block_rows,
         staged ? staged_bytes<T>(classes) : scratch_bytes, logits, labels, rows, classes, ignore, log_sum,
         parts.data());
  add_lines("cross_entropy", parts.data(), 1, blocks, 1, 1 / divisor, loss);
}

template <class T>
void cross_entropy_backward(const T* grad_out, const T* logits, const std::int64_t* labels, const T* log_sum,
                            std::int64_t rows, std::int64_t classes, std::int64_t ignore, double divisor,
                            T* grad_logits) {
  const bool staged = classes <= most_staged;
  launch("cross_entropy_backward", staged ? backward_kernel<T, true> : backward_kernel<T, false>, blocks_of(rows),
         block_rows, staged ? staged_bytes<T>(classes) : scratch_bytes, grad_out, logits, labels, log_sum, rows,
         classes, ignore, divisor, grad_logits);
}

template <class T, class Id>
void argmax_last(const T* logits, std::int64_t rows, std::int64_t classes, Id* ids) {
  const bool staged = classes <= most_staged;
  launch("argmax_last", staged ? argmax_kernel<T, Id, true> : argmax_kernel<T, Id, false>, blocks_of(rows), block_rows,
         staged ? staged_bytes<T>(classes) : scratch_bytes, logits, rows, classes, ids);
}

template <class T>
void count_hits(const T* logits, const std::int64_t* labels, std::int64_t rows, std::int64_t classes,
                std::int64_t ignore, std::int64_t* counts) {
  const unsigned blocks = blocks_of(rows);
  const bool staged = classes <= most_staged;
  Scratch<std::int64_t> parts(2 * std::int64_t{blocks});
  launch("accuracy", staged ? hits_kernel<T, true> : hits_kernel<T, false>, blocks, block_rows,
         staged ? staged_bytes<T>(classes) : scratch_bytes, logits, labels, rows, classes, ignore, parts.data());
  add_lines("accuracy", parts.data(), 1, blocks, 2, 1.0, counts);  // exact: counts are below 2^53
}

#define REIN_INSTANTIATE(T)                                                                                           \
  template void cross_entropy(const T*, const std::int64_t*, std::int64_t, std::int64_t, std::int64_t, double, T*,    \
                              T*);                                                                                    \
  template void cross_entropy_backward(const T*, const T*, const std::int64_t*, const T*, std::int64_t, std::int64_t, \
                                       std::int64_t, double, T*);                                                     \
  template void argmax_last(const T*, std::int64_t, std::int64_t, std::int64_t*);                                     \
  template void argmax_last(const T*, std::int64_t, std::int64_t, std::uint8_t*);                                     \
  template void count_hits(const T*, const std::int64_t*, std::int64_t, std::int64_t, std::int64_t, std::int64_t*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)
#undef REIN_INSTANTIATE

}  // namespace rein::ops::cuda
