// The elementwise functions: f(x), and df(g, x) = g * f'(x), side by side. To add one: a struct here, a name in
// `Unary` (elementwise.h), a case in the two switches of elementwise_cpu.cpp.
#if defined(REIN_ELEMENTWISE_FUNCTIONS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef REIN_ELEMENTWISE_FUNCTIONS_INL_H
#undef REIN_ELEMENTWISE_FUNCTIONS_INL_H
#else
#define REIN_ELEMENTWISE_FUNCTIONS_INL_H
#endif

#include "tensor/cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

template <class D>
HWY_INLINE hn::Vec<D> value(D d, double v) {
  return hn::Set(d, static_cast<hn::TFromD<D>>(v));
}

// max(x, 0); the gradient at 0 is 0. Written with comparisons so that NaN passes through.
struct Relu {
  template <class D, class V>
  static HWY_INLINE V f(D d, V x) {
    return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Zero(d), x);
  }
  template <class D, class V>
  static HWY_INLINE V df(D d, V g, V x) {
    return hn::IfThenElse(hn::Le(x, hn::Zero(d)), hn::Zero(d), g);
  }
};

// x Phi(x); derivative Phi(x) + x phi(x).
struct Gelu {
  template <class D, class V>
  static HWY_INLINE V f(D d, V x) {
    return hn::Mul(x, normal_cdf(d, x));
  }
  template <class D, class V>
  static HWY_INLINE V df(D d, V g, V x) {
    return hn::Mul(g, hn::MulAdd(x, normal_density(d, x), normal_cdf(d, x)));
  }
};

// x/2 (1 + tanh(u)) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3): no cancellation at the lower end.
struct GeluTanh {
  static constexpr double a = 1.5957691216057307, b = 0.07135481627159869;  // 2u = a x + b x^3
  template <class D, class V>
  static HWY_INLINE V gate(D d, V x) {
    return sigmoid_of(d, hn::Mul(x, hn::MulAdd(hn::Mul(x, x), value(d, b), value(d, a))));
  }
  template <class D, class V>
  static HWY_INLINE V f(D d, V x) {
    return hn::Mul(x, gate(d, x));
  }
  template <class D, class V>
  static HWY_INLINE V df(D d, V g, V x) {  // s + x s (1 - s) (a + 3 b x^2)
    const V s = gate(d, x);
    const V slope = hn::MulAdd(hn::Mul(x, x), value(d, 3 * b), value(d, a));
    const V bell = hn::Mul(s, hn::Sub(value(d, 1), s));
    return hn::Mul(g, hn::MulAdd(hn::Mul(x, bell), slope, s));
  }
};

// x sigmoid(k x); derivative s + k x s (1 - s).
template <int k_thousandths>
struct Swish {
  static constexpr double k = k_thousandths / 1000.0;
  template <class D, class V>
  static HWY_INLINE V f(D d, V x) {
    return hn::Mul(x, sigmoid_of(d, hn::Mul(x, value(d, k))));
  }
  template <class D, class V>
  static HWY_INLINE V df(D d, V g, V x) {
    const V s = sigmoid_of(d, hn::Mul(x, value(d, k)));
    const V bell = hn::Mul(s, hn::Sub(value(d, 1), s));
    return hn::Mul(g, hn::MulAdd(hn::Mul(x, value(d, k)), bell, s));
  }
};
using Silu = Swish<1000>;
using QuickGelu = Swish<1702>;

struct Sigmoid {
  template <class D, class V>
  static HWY_INLINE V f(D d, V x) {
    return sigmoid_of(d, x);
  }
  template <class D, class V>
  static HWY_INLINE V df(D d, V g, V x) {
    const V s = sigmoid_of(d, x);
    return hn::Mul(g, hn::Mul(s, hn::Sub(value(d, 1), s)));
  }
};

// Two operands; the gradients are g and g (add), g and -g (sub), g b and g a (mul): products of the same family.
struct Add {
  template <class V>
  static HWY_INLINE V f(V a, V b) {
    return hn::Add(a, b);
  }
};
struct Sub {
  template <class V>
  static HWY_INLINE V f(V a, V b) {
    return hn::Sub(a, b);
  }
};
struct Mul {
  template <class V>
  static HWY_INLINE V f(V a, V b) {
    return hn::Mul(a, b);
  }
};

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
