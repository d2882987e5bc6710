// Sums by atomics that are the same in every order: what is added are 64-bit whole numbers, each product in units of
// 2^-e, with e chosen from the largest product there can be so that no sum leaves 64 bits. `top` holds the bits of that
// largest product (largest_bits below finds it; NaN and infinity included). Included by .cu files.
#pragma once

#include <cmath>
#include <cstring>

#include "tensor/cuda/kernel.h"

namespace rein::cuda {

using Whole = unsigned long long;  // what CUDA adds atomically; a sum of two's complements

__device__ inline Whole bits_of(double x) {
  Whole bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
__device__ inline double from_bits(Whole bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// The bits of doubles that are not negative have their order, and NaN is above all of them.
template <class T>
__device__ double larger(double most, T x) {
  const double size = fabs(static_cast<double>(x));
  return bits_of(size) > bits_of(most) ? size : most;
}

// What a product is multiplied with to become a whole number, when at most 2^count_log2 of them meet in one sum.
__device__ inline double unit_of(double top, int count_log2) {
  if (!(top > 0) || top > 1.7e308) return 1;
  const int exponent = 61 - (ilogb(top) + 1) - count_log2;
  return scalbn(1.0, exponent < 1000 ? exponent : 1000);
}

// |product| <= top, so |product * unit| < 2^61 and needs no check; where top is not finite, whatever is added here
// becomes NaN in from_whole_kernel.
__device__ inline void add_whole(Whole* sum, double product, double unit) {
  atomicAdd(sum, static_cast<Whole>(llrint(product * unit)));
}

// values[i] = sums[i] in T; NaN everywhere when a product was not finite.
template <class T>
__global__ void from_whole_kernel(const Whole* sums, const Whole* top, int count_log2, std::int64_t count, T* values) {
  const double largest = from_bits(*top), unit = unit_of(largest, count_log2);
  for (std::int64_t i = global_thread(); i < count; i += global_threads()) {
    const double sum = static_cast<double>(static_cast<long long>(sums[i])) / unit;
    values[i] = static_cast<T>(largest <= 1.7e308 ? sum : static_cast<double>(NAN));
  }
}

// *top = the largest of it and `size` (not negative, or NaN) of all threads, in blocks of whole warps; once in a
// kernel. One atomic per block, as those at one address wait for each other.
__device__ inline void raise_top(Whole* top, double size) {
  __shared__ Whole most_of_warp[warp_size];  // a block has at most so many
  Whole most = warp_max(bits_of(size));
  if (threadIdx.x % warp_size == 0) most_of_warp[threadIdx.x / warp_size] = most;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (unsigned w = 1; w < blockDim.x / warp_size; ++w) most = most_of_warp[w] > most ? most_of_warp[w] : most;
  atomicMax(top, most);
}

// top = the largest |value|; *top is 0 before.
template <class T>
__global__ void largest_kernel(const T* values, std::int64_t count, Whole* top) {
  double most = 0;
  for (std::int64_t i = global_thread(); i < count; i += global_threads()) most = larger(most, values[i]);
  raise_top(top, fabs(most));
}

inline int log2_above(std::int64_t count) {  // the least e >= 1 with 2^e > count
  int e = 1;
  while (count >> e != 0) ++e;
  return e;
}

}  // namespace rein::cuda
