// exp, sigmoid and the normal distribution function on Highway vectors. f32: our own polynomials, fitted to the
// relative error (exp within 1 ulp, the others within 3; f32 normals flushed to zero below 2^-126); f64: the C library
// per lane. NaN stays NaN. Include after hwy/highway.h in a foreach_target file.
#if defined(REIN_MATH_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef REIN_MATH_INL_H
#undef REIN_MATH_INL_H
#else
#define REIN_MATH_INL_H
#endif

#include "tensor/ops/simd-inl.h"

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
// the subtraction is exact; n is read from the low bits after adding 1.5 * 2^23.
template <class D>
HWY_INLINE hn::Vec<D> exp_small(D d, hn::Vec<D> x) {
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    return map_lanes(d, x, [](double v) { return __builtin_exp(v); });
  } else {
    const hn::RebindToUnsigned<D> du;
    const auto magic = hn::Set(d, 12582912.0f);
    const auto shifted = hn::MulAdd(x, hn::Set(d, 1.442695041f), magic);
    const auto n = hn::Sub(shifted, magic);
    auto r = hn::NegMulAdd(n, hn::Set(d, 0.693145751953125f), x);
    r = hn::NegMulAdd(n, hn::Set(d, 1.428606765330187e-06f), r);
    const auto q = horner(d, hn::Set(d, 0.0013814433477818966f), r, 0.008368796668946743f, 0.041668396443128586f,
                          0.1666651964187622f, 0.4999999403953552f);
    const auto p = hn::Add(hn::MulAdd(hn::Mul(r, r), q, r), hn::Set(d, 1.0f));
    const auto power = hn::ShiftLeft<23>(hn::BitCast(du, shifted));
    const auto y = hn::BitCast(d, hn::Add(hn::BitCast(du, p), power));
    // The comparison is false for NaN; its bits may have been disturbed by `power`, so it is put back.
    return hn::IfThenElse(hn::Lt(x, hn::Set(d, -87.33f)), hn::Zero(d), hn::IfThenElse(hn::Eq(x, x), y, x));
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

// Phi(x) = (1 + erf(x / sqrt 2)) / 2, the normal distribution function. f32: erf by an odd polynomial below 1; beyond,
// erfc(z) = exp(polynomial in z), so that the lower tail keeps its relative accuracy (about 3e-6).
template <class D>
HWY_INLINE hn::Vec<D> normal_cdf(D d, hn::Vec<D> x) {
  using T = hn::TFromD<D>;
  if constexpr (sizeof(T) == 8) {
    return map_lanes(d, x, [](double v) { return 0.5 * __builtin_erfc(-v * 0.70710678118654752440); });
  } else {
    const auto half = hn::Set(d, 0.5f), one = hn::Set(d, 1.0f);
    const auto z = hn::Mul(x, hn::Set(d, 0.70710678f));
    const auto a = hn::Abs(z);
    const auto t = hn::Mul(z, z);
    const auto odd = horner(d, hn::Set(d, 7.853900751797482e-05f), t, -0.0008010207093320787f, 0.005188329610973597f,
                            -0.026853812858462334f, 0.1128358542919159f, -0.3761262595653534f, 1.1283791065216064f);
    const auto low = hn::MulAdd(hn::Mul(half, z), odd, half);
    const auto cut = hn::IfThenElse(hn::Gt(a, hn::Set(d, 12.0f)), hn::Set(d, 12.0f), a);
    const auto g = horner(d, hn::Set(d, -9.546863566356478e-08f), cut, 3.7082047583680833e-06f, -6.546659278683364e-05f,
                          0.0006997428135946393f, -0.005099548492580652f, 0.027145134285092354f, -0.11107343435287476f,
                          -0.6309798359870911f, -1.1306395530700684f, 0.000403801939683035f);
    const auto tail = hn::Mul(half, exp_small(d, g));  // Phi(-|x|)
    const auto high = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(one, tail));
    return hn::IfThenElse(hn::Lt(a, one), low, high);
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
