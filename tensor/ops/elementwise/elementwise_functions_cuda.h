// The functions of elementwise_functions-inl.h for one number at a time: f(x), and df(g, x) = g f'(x), side by side.
// And the kernel that takes any of them to every element.
#pragma once

#include <algorithm>

#include "tensor/cuda/mma.h"
#include "tensor/cuda/packed.h"
#include "tensor/cuda/wide.h"
#include "tensor/ops/elementwise/elementwise.h"

namespace rein::ops::cuda {

template <class T>
__device__ T sigmoid_of(T x) {  // exp of what is at most 0 never overflows
  const T e = exp(-fabs(x));
  return (x >= T(0) ? T(1) : e) / (T(1) + e);
}

struct Relu {
  template <class T>
  static __device__ T f(T x) {
    return x < T(0) ? T(0) : x;
  }
  template <class T>
  static __device__ T df(T g, T x) {
    return x <= T(0) ? T(0) : g;
  }
};

struct Gelu {
  template <class T>
  static __device__ T cdf(T x) {  // by erfc: no cancellation at the lower end
    return T(0.5) * erfc(x * T(-0.70710678118654752440));
  }
  template <class T>
  static __device__ T f(T x) {
    return x * cdf(x);
  }
  template <class T>
  static __device__ T df(T g, T x) {
    const T density = T(0.39894228040143267794) * exp(T(-0.5) * x * x);
    return g * (cdf(x) + x * density);
  }
};

// GELU where results are rounded to bf16: PyTorch's formula, in half of erfc's instructions. The cdf is wrong by less
// than 2^-23, so the value by less than |x| 2^-23. Below -4 or so that is more than half a unit of bf16 in a value that
// is nearly 0, but what adds such values up adds others of order one as well, rounded to 2^-8 of themselves.
struct GeluByErf {
  static __device__ float cdf(float x) { return 0.5F + 0.5F * erff(x * 0.70710678118654752440F); }
  static __device__ float f(float x) { return x * cdf(x); }
  static __device__ float df(float g, float x) {
    const float density = 0.39894228040143267794F * rein::cuda::exp2_fast(-0.72134752044448170368F * x * x);
    return g * (cdf(x) + x * density);
  }
};

struct GeluTanh {  // x sigmoid(a x + b x^3)
  template <class T>
  static __device__ T gate(T x) {
    return sigmoid_of(x * (T(0.07135481627159869) * x * x + T(1.5957691216057307)));
  }
  template <class T>
  static __device__ T f(T x) {
    return x * gate(x);
  }
  template <class T>
  static __device__ T df(T g, T x) {
    const T s = gate(x);
    const T slope = T(3 * 0.07135481627159869) * x * x + T(1.5957691216057307);
    return g * (s + x * s * (T(1) - s) * slope);
  }
};

template <int k_thousandths>
struct Swish {  // x sigmoid(k x)
  template <class T>
  static __device__ T f(T x) {
    return x * sigmoid_of(T(k_thousandths / 1000.0) * x);
  }
  template <class T>
  static __device__ T df(T g, T x) {
    const T kx = T(k_thousandths / 1000.0) * x, s = sigmoid_of(kx);
    return g * (s + kx * s * (T(1) - s));
  }
};

struct Sigmoid {
  template <class T>
  static __device__ T f(T x) {
    return sigmoid_of(x);
  }
  template <class T>
  static __device__ T df(T g, T x) {
    const T s = sigmoid_of(x);
    return g * (s * (T(1) - s));
  }
};

// with(F{}) of the function named.
template <class GeluFunction = Gelu, class With>
void choose(Unary function, With&& with) {
  switch (function) {
    case Unary::relu:
      return with(Relu{});
    case Unary::gelu:
      return with(GeluFunction{});
    case Unary::gelu_tanh:
      return with(GeluTanh{});
    case Unary::silu:
      return with(Swish<1000>{});
    case Unary::sigmoid:
      return with(Sigmoid{});
    case Unary::quick_gelu:
      return with(Swish<1702>{});
  }
}

struct Add {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Sub {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a - b;
  }
};
struct Mul {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a * b;
  }
};
template <class F>
struct Value {
  template <class T>
  __device__ T operator()(T x) const {
    return F::f(x);
  }
};
template <class F>
struct Slope {  // of x, times g
  template <class T>
  __device__ T operator()(T g, T x) const {
    return F::df(g, x);
  }
};

// y = f(from...), computed in what wide() gives. A thread owns n neighbours in strides of the whole grid; then the
// threads take what is left one by one: all elements where an address is not aligned. Loops are not unrolled: most
// threads go round once, and to count the rounds takes 64-bit divisions.
template <int n, class F, class Y, class... From>
__global__ void map_kernel(F f, std::int64_t packs, std::int64_t count, Y* y, const From*... from) {
  using namespace rein::cuda;
#pragma unroll 1
  for (std::int64_t i = global_thread(); i < packs; i += global_threads()) {
    Packed<Y, n> to;
    const auto take = [&](const auto&... packed) {
      for (int k = 0; k < n; ++k) to.at[k] = narrow<Y>(f(wide(packed.at[k])...));
    };
    take(load_packed<From, n>(from + n * i)...);
    store_packed(to, y + n * i);
  }
#pragma unroll 1
  for (std::int64_t i = n * packs + global_thread(); i < count; i += global_threads())
    y[i] = narrow<Y>(f(wide(from[i])...));
}

// y may be one of `from`.
template <class F, class Y, class... From>
void map(const char* name, F f, std::int64_t count, Y* y, const From*... from) {
  using namespace rein::cuda;
  constexpr int threads = 256, n = 16 / std::min({sizeof(Y), sizeof(From)...});  // a full access of the narrowest
  const std::int64_t packs = packable<n>(0, y, from...) ? count / n : 0;
  launch(name, map_kernel<n, F, Y, From...>, blocks_for(packs > 0 ? packs : count, threads, 8192), threads, 0, f, packs,
         count, y, from...);
}

}  // namespace rein::ops::cuda
