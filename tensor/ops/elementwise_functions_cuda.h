// The functions of elementwise_functions-inl.h for one number at a time: f(x), and df(g, x) = g f'(x), side by side.
#pragma once

#include "tensor/cuda/kernel.h"
#include "tensor/ops/elementwise.h"

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
template <class With>
void choose(Unary function, With&& with) {
  switch (function) {
    case Unary::relu:
      return with(Relu{});
    case Unary::gelu:
      return with(Gelu{});
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
  static __device__ T f(T a, T b) {
    return a + b;
  }
};
struct Sub {
  template <class T>
  static __device__ T f(T a, T b) {
    return a - b;
  }
};
struct Mul {
  template <class T>
  static __device__ T f(T a, T b) {
    return a * b;
  }
};

}  // namespace rein::ops::cuda
