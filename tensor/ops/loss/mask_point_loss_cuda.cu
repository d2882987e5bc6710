// Who owns what: a block owns a row of points; its threads walk the row side by side and their sums are added in a
// fixed order, in double. One more block adds the rows. Backward: a thread per point, which reads its row's sums. One
// exponential per point serves softplus, sigmoid and its derivative, as on the CPU (mask_point_loss_cpu.cpp).
#include "tensor/ops/loss/mask_point_loss_kernels.h"

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/scratch.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;
constexpr std::size_t sum_bytes = threads / warp_size * sizeof(double);

template <class T>
struct Logistic {
  T e, r, s;  // exp(-|z|), 1 / (1 + e), sigmoid
  __device__ explicit Logistic(T z) {
    e = exp(-fabs(z));
    r = T(1) / (T(1) + e);
    s = z < T(0) ? e * r : r;
  }
  __device__ T softplus(T z) const { return (z > T(0) ? z : T(0)) + log1p(e); }
};

// A row is absent when its id is below 0; without ids all are there.
__device__ inline bool is_absent(const std::int64_t* ids, std::int64_t row) {
  return ids != nullptr && ids[row] < 0;
}

// sums (rows, 2); bce_rows (rows).
template <class T>
__global__ void rows_kernel(const T* z, const T* g, const std::int64_t* ids, std::int64_t cols, double* sums,
                            double* bce_rows) {
  double* shared = dynamic_shared<double>();
  const std::int64_t start = blockIdx.x * cols;
  double bce = 0, product = 0, both = 0;
  const std::int64_t count = is_absent(ids, blockIdx.x) ? 0 : cols;
  for (std::int64_t c = threadIdx.x; c < count; c += threads) {
    const T v = z[start + c], target = g[start + c];
    const Logistic<T> l(v);
    bce += static_cast<double>(l.softplus(v) - v * target);
    product += static_cast<double>(l.s * target);
    both += static_cast<double>(l.s) + static_cast<double>(target);
  }
  bce = block_sum(bce, shared);
  product = block_sum(product, shared);
  both = block_sum(both, shared);
  if (threadIdx.x != 0) return;
  bce_rows[blockIdx.x] = bce;
  sums[2 * blockIdx.x] = product;
  sums[2 * blockIdx.x + 1] = both;
}

template <class T>
__global__ void total_kernel(const double* sums, const double* bce_rows, const std::int64_t* ids, std::int64_t rows,
                             double bce_divisor, double dice_divisor, T* bce_out, T* dice_out) {
  double* shared = dynamic_shared<double>();
  double bce = 0, dice = 0;
  for (std::int64_t r = threadIdx.x; r < rows; r += threads) {
    if (is_absent(ids, r)) continue;
    bce += bce_rows[r];
    dice += 1 - (2 * sums[2 * r] + 1) / (sums[2 * r + 1] + 1);
  }
  bce = block_sum(bce, shared);
  dice = block_sum(dice, shared);
  if (threadIdx.x != 0) return;
  *bce_out = static_cast<T>(bce / bce_divisor);
  *dice_out = static_cast<T>(dice / dice_divisor);
}

template <class T>
__global__ void backward_kernel(const T* grad_bce, const T* grad_dice, const T* z, const T* g, const std::int64_t* ids,
                                const double* sums, std::int64_t rows, std::int64_t cols, double bce_divisor,
                                double dice_divisor, T* grad_z) {
  const T bce = grad_bce != nullptr ? static_cast<T>(static_cast<double>(*grad_bce) / bce_divisor) : T(0);
  const double dice = grad_dice != nullptr ? static_cast<double>(*grad_dice) / dice_divisor : 0;
  for (std::int64_t i = global_thread(); i < rows * cols; i += global_threads()) {
    const std::int64_t r = i / cols;
    if (is_absent(ids, r)) {
      grad_z[i] = T(0);
      continue;
    }
    const double n = 2 * sums[2 * r] + 1, d = sums[2 * r + 1] + 1;
    const T a = static_cast<T>(dice * n / (d * d)), b = static_cast<T>(dice * 2 / d);
    const Logistic<T> l(z[i]);
    grad_z[i] = bce * (l.s - g[i]) + (a - b * g[i]) * (l.e * l.r * l.r);
  }
}

// sums (rows, 2): of softplus and of the sigmoid.
template <class T>
__global__ void cost_kernel(const T* z, std::int64_t cols, T* sigmoid, double* sums) {
  double* shared = dynamic_shared<double>();
  const std::int64_t start = blockIdx.x * cols;
  double softplus = 0, s = 0;
  for (std::int64_t c = threadIdx.x; c < cols; c += threads) {
    const T v = z[start + c];
    const Logistic<T> l(v);
    sigmoid[start + c] = l.s;
    softplus += static_cast<double>(l.softplus(v));
    s += static_cast<double>(l.s);
  }
  softplus = block_sum(softplus, shared);
  s = block_sum(s, shared);
  if (threadIdx.x != 0) return;
  sums[2 * blockIdx.x] = softplus;
  sums[2 * blockIdx.x + 1] = s;
}

// A thread owns a pair.
template <class T>
__global__ void costs_kernel(MaskCosts<T> of, double* cost, double* slots) {
  for (std::int64_t i = global_thread(); i < of.images * of.queries * of.targets; i += global_threads()) {
    const std::int64_t q = i / of.targets, t = i % of.targets, k = of.classes[t];
    const bool real = k >= 0 && k < of.slots;
    cost[i] = real ? of.at(q, t) : static_cast<double>(NAN);
    if (real) slots[q * of.slots + k] = cost[i];
  }
}

unsigned blocks_of_rows(std::int64_t rows) {
  require(rows < std::int64_t{1} << 31, "mask_point_loss", "takes at most 2^31 rows on CUDA, got ", rows);
  return static_cast<unsigned>(rows);
}

}  // namespace

template <class T>
void mask_point_loss(const T* z, const T* g, const std::int64_t* ids, std::int64_t rows, std::int64_t cols,
                     double bce_divisor, double dice_divisor, T* bce, T* dice, double* sums) {
  Scratch<double> bce_rows(rows);
  launch("mask_point_loss", rows_kernel<T>, blocks_of_rows(rows), threads, sum_bytes, z, g, ids, cols, sums,
         bce_rows.data());
  launch("mask_point_loss", total_kernel<T>, 1, threads, sum_bytes, sums, bce_rows.data(), ids, rows, bce_divisor,
         dice_divisor, bce, dice);
}

template <class T>
void mask_point_loss_backward(const T* grad_bce, const T* grad_dice, const T* z, const T* g, const std::int64_t* ids,
                              const double* sums, std::int64_t rows, std::int64_t cols, double bce_divisor,
                              double dice_divisor, T* grad_z) {
  launch("mask_point_loss_backward", backward_kernel<T>, blocks_for(rows * cols, threads, 65536), threads, 0, grad_bce,
         grad_dice, z, g, ids, sums, rows, cols, bce_divisor, dice_divisor, grad_z);
}

template <class T>
void mask_cost_terms(const T* z, std::int64_t rows, std::int64_t cols, T* sigmoid, double* sums) {
  launch("mask_cost_terms", cost_kernel<T>, blocks_of_rows(rows), threads, sum_bytes, z, cols, sigmoid, sums);
}

template <class T>
void mask_costs(const MaskCosts<T>& of, double* cost, double* slots) {
  launch("mask_costs", costs_kernel<T>, blocks_for(of.images * of.queries * of.targets, threads, 65536), threads, 0, of,
         cost, slots);
}

#define REIN_INSTANTIATE(T)                                                                                          \
  template void mask_point_loss(const T*, const T*, const std::int64_t*, std::int64_t, std::int64_t, double, double, \
                                T*, T*, double*);                                                                    \
  template void mask_point_loss_backward(const T*, const T*, const T*, const T*, const std::int64_t*, const double*, \
                                         std::int64_t, std::int64_t, double, double, T*);                            \
  template void mask_costs(const MaskCosts<T>&, double*, double*);                                                   \
  template void mask_cost_terms(const T*, std::int64_t, std::int64_t, T*, double*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)
#undef REIN_INSTANTIATE

}  // namespace rein::ops::cuda
