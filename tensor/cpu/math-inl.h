// exp, sigmoid and the normal distribution function on Highway vectors. f32: our own polynomials, fitted to the
// relative error (exp within 1 ulp, the others within 3; f32 normals flushed to zero below 2^-126); f64: the C library
// per lane. NaN stays NaN. Include after hwy/highway.h in a foreach_target file.
#if defined(REIN_MATH_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef REIN_MATH_INL_H
#undef REIN_MATH_INL_H
#else
#define REIN_MATH_INL_H
#endif

#include "tensor/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {

// f(lane) for every lane: the slow, exact way, for f64.
template <class D, class F>
HWY_INLINE hn::Vec<D> map_lanes(D d, hn::Vec<D> v, F&& f) {
  HWY_ALIGN hn::TFromD<D> lanes[HWY_MAX_BYTES / sizeof(hn::TFromD<D>)];
  hn::Store(v, d, lanes);
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = f(lanes[i]);
  return hn::Load(d, lanes);
}

// Horner's rule, coefficients from the highest power down to the constant.
template <class D>
HWY_INLINE hn::Vec<D> horner(D, hn::Vec<D> sum, hn::Vec<D>) {
  return sum;
}
template <class D, class... Rest>
HWY_INLINE hn::Vec<D> horner(D d, hn::Vec<D> sum, hn::Vec<D> x, float next, Rest... rest) {
  return horner(d, hn::MulAdd(sum, x, hn::Set(d, next)), x, rest...);
}

// e^x for x <= 88 (larger gives garbage); 0 below -87.33. x = n ln2 + r with |r| <= ln2 / 2; ln2 in two parts, so that
// the subtraction is exact. Adding 1.5 * 2^23 + 127 rounds to an integer and leaves n + 127, the bits of 2^n, at the
// bottom of the mantissa.
template <class D>
HWY_INLINE hn::Vec<D> exp_small(D d, hn::Vec<D> x) {
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    return map_lanes(d, x, [](double v) { return __builtin_exp(v); });
  } else {
    const hn::RebindToUnsigned<D> du;
    const auto magic = hn::Set(d, 12583039.0f);
    const auto shifted = hn::MulAdd(x, hn::Set(d, 1.442695041f), magic);
    const auto n = hn::Sub(shifted, magic);
    auto r = hn::NegMulAdd(n, hn::Set(d, 0.693145751953125f), x);
    r = hn::NegMulAdd(n, hn::Set(d, 1.428606765330187e-06f), r);
    const auto q = horner(d, hn::Set(d, 0.0013814433477818966f), r, 0.008368796668946743f, 0.041668396443128586f,
                          0.1666651964187622f, 0.4999999403953552f);
    const auto p = hn::Add(hn::MulAdd(hn::Mul(r, r), q, r), hn::Set(d, 1.0f));
    const auto power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(du, shifted)));
    // The comparison is false for NaN, which p carries on.
    return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.33f)), hn::Mul(p, power));
  }
}

// e^x for every x; infinite above 88.72.
template <class D>
HWY_INLINE hn::Vec<D> exp_of(D d, hn::Vec<D> x) {
  using T = hn::TFromD<D>;
  if constexpr (sizeof(T) == 8) {
    return exp_small(d, x);
  } else {
    // Two halves keep the power of two inside the exponent's range.
    const auto top = hn::Gt(x, hn::Set(d, 88.0f));
    const auto y = exp_small(d, hn::IfThenElse(top, hn::Min(hn::Sub(x, hn::Set(d, 16.0f)), hn::Set(d, 80.0f)), x));
    return hn::IfThenElse(top, hn::Mul(y, hn::Set(d, 8886110.520507872f)), y);
  }
}

template <class D>
HWY_INLINE hn::Vec<D> sigmoid_of(D d, hn::Vec<D> x) {
  using T = hn::TFromD<D>;
  const auto one = hn::Set(d, T(1));
  return hn::Div(one, hn::Add(one, exp_of(d, hn::Neg(x))));
}

// Phi(x) = (1 + erf(x / sqrt 2)) / 2, the normal distribution function. f32: Phi(-|x|) = exp(polynomial in |x|) / 2, so
// that the lower tail keeps its relative accuracy (4e-7 at -2, 1e-4 at -8); the upper side is 1 minus it.
template <class D>
HWY_INLINE hn::Vec<D> normal_cdf(D d, hn::Vec<D> x) {
  using T = hn::TFromD<D>;
  if constexpr (sizeof(T) == 8) {
    return map_lanes(d, x, [](double v) { return 0.5 * __builtin_erfc(-v * 0.70710678118654752440); });
  } else {
    // Beyond 17 the result is 0 (and the polynomial would overflow). NaN passes the comparison.
    const auto limit = hn::Set(d, 17.0f), size = hn::Abs(x);
    const auto a = hn::IfThenElse(hn::Gt(size, limit), limit, size);
    const auto h = horner(d, hn::Set(d, -1.1576552216840952e-10f), a, 5.5988040870147415e-09f, -1.2120865733322717e-07f,
                          1.547991814732086e-06f, -1.2857227375207003e-05f, 7.074757741065696e-05f,
                          -0.00023061972751747817f, 4.5065837184665725e-05f, 0.004785338882356882f,
                          -0.036341022700071335f, -0.3183077275753021f, -0.7978848218917847f);
    const auto tail = hn::Mul(hn::Set(d, 0.5f), exp_small(d, hn::Mul(a, h)));
    return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(hn::Set(d, 1.0f), tail));
  }
}

// phi(x) = exp(-x^2 / 2) / sqrt(2 pi), the normal density.
template <class D>
HWY_INLINE hn::Vec<D> normal_density(D d, hn::Vec<D> x) {
  using T = hn::TFromD<D>;
  const auto e = exp_small(d, hn::Mul(hn::Mul(x, x), hn::Set(d, T(-0.5))));
  return hn::Mul(e, hn::Set(d, static_cast<T>(0.39894228040143267794)));
}

}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
