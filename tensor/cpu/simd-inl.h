// Loops over a row of any length for Highway kernels: full vectors first, then single lanes with the same code.
// Include after hwy/highway.h in a foreach_target file; T = float or double, so f64 checks the code that f32 runs.
#if defined(REIN_SIMD_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef REIN_SIMD_INL_H
#undef REIN_SIMD_INL_H
#else
#define REIN_SIMD_INL_H
#endif

#include <cmath>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load(D d, const T* p) {
  return hn::LoadU(d, p);
}
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void store(hn::Vec<D> v, D d, T* p) {
  hn::StoreU(v, d, p);
}

HWY_INLINE float sqrt_of(float x) {
  return __builtin_sqrtf(x);
}
HWY_INLINE double sqrt_of(double x) {
  return __builtin_sqrt(x);
}

// body(tag, i): tag is a full vector tag for the bulk, then one of four lanes, then of one lane for the tail.
template <class D, class F>
HWY_INLINE void for_each_lane(D d, std::int64_t count, F&& body) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) body(d, i);
  if constexpr (hn::MaxLanes(D()) > 4) {
    const hn::CappedTag<hn::TFromD<D>, 4> four;
    for (; i + 4 <= count; i += 4) body(four, i);
  }
  const hn::CappedTag<hn::TFromD<D>, 1> one;
  for (; i < count; ++i) body(one, i);
}

// Sum of term(tag, i) over i in [0, count): four vector accumulators, then lanes, then the tail; a fixed order.
template <class T, class F>
HWY_INLINE T sum_of(std::int64_t count, F&& term) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    s0 = hn::Add(s0, term(d, i));
    s1 = hn::Add(s1, term(d, i + lanes));
    s2 = hn::Add(s2, term(d, i + 2 * lanes));
    s3 = hn::Add(s3, term(d, i + 3 * lanes));
  }
  for (; i + lanes <= count; i += lanes) s0 = hn::Add(s0, term(d, i));
  T sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
  if constexpr (hn::MaxLanes(hn::ScalableTag<T>()) > 4) {
    const hn::CappedTag<T, 4> four;
    for (; i + 4 <= count; i += 4) sum += hn::GetLane(hn::SumOfLanes(four, term(four, i)));
  }
  const hn::CappedTag<T, 1> one;
  for (; i < count; ++i) sum += hn::GetLane(term(one, i));
  return sum;
}

// Two sums in one pass: terms(tag, i, a, b) sets a and b.
template <class T, class F>
HWY_INLINE void two_sums_of(std::int64_t count, F&& terms, T* sum_a, T* sum_b) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<hn::ScalableTag<T>>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V a0 = hn::Zero(d), a1 = hn::Zero(d), b0 = hn::Zero(d), b1 = hn::Zero(d), a, b;
  std::int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    terms(d, i, a, b);
    a0 = hn::Add(a0, a), b0 = hn::Add(b0, b);
    terms(d, i + lanes, a, b);
    a1 = hn::Add(a1, a), b1 = hn::Add(b1, b);
  }
  for (; i + lanes <= count; i += lanes) {
    terms(d, i, a, b);
    a0 = hn::Add(a0, a), b0 = hn::Add(b0, b);
  }
  *sum_a = hn::GetLane(hn::SumOfLanes(d, hn::Add(a0, a1)));
  *sum_b = hn::GetLane(hn::SumOfLanes(d, hn::Add(b0, b1)));
  const hn::CappedTag<T, 1> one;
  for (; i < count; ++i) {
    hn::Vec<hn::CappedTag<T, 1>> last_a, last_b;
    terms(one, i, last_a, last_b);
    *sum_a += hn::GetLane(last_a), *sum_b += hn::GetLane(last_b);
  }
}

// Largest term(tag, i) over i in [0, count), -inf for none. A NaN term may or may not win: max is for choosing a shift,
// and NaN shows again in what is computed with it.
template <class T, class F>
HWY_INLINE T max_of(std::int64_t count, F&& term) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const T lowest = -static_cast<T>(__builtin_inf());
  auto m0 = hn::Set(d, lowest), m1 = m0;
  std::int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    m0 = hn::Max(m0, term(d, i));
    m1 = hn::Max(m1, term(d, i + lanes));
  }
  for (; i + lanes <= count; i += lanes) m0 = hn::Max(m0, term(d, i));
  T top = hn::GetLane(hn::MaxOfLanes(d, hn::Max(m0, m1)));
  if constexpr (hn::MaxLanes(hn::ScalableTag<T>()) > 4) {
    const hn::CappedTag<T, 4> four;
    for (; i + 4 <= count; i += 4) {
      const T t = hn::GetLane(hn::MaxOfLanes(four, term(four, i)));
      if (t > top) top = t;
    }
  }
  const hn::CappedTag<T, 1> one;
  for (; i < count; ++i) {
    const T t = hn::GetLane(term(one, i));
    if (t > top) top = t;
  }
  return top;
}

}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
