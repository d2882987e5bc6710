// Elementwise operations on a device, where a thread takes 16 bytes at once: counts and starts around an access; and
// GELU of every number that bf16 has.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "autograd/cases/case.h"
#include "tensor/ops/elementwise/cast.h"
#include "tensor/ops/elementwise/elementwise.h"

using namespace rein;
using namespace rein::testing;

namespace {

const Device device{Device::Kind::cuda, 0};

// `count` numbers inside a longer tensor on the device, from `start` on.
Tensor numbers(std::uint64_t seed, std::int64_t start, std::int64_t count, DType dtype) {
  const Tensor whole = random_normal(RandomKey(seed), {start + count + 1}, 0, 1, DType::f32);
  return ops::cast(whole, dtype).to(device).rows(start, start + count);
}
// bf16 has kernels on devices alone: f64 stands for it.
Tensor here(const Tensor& x) {
  const Tensor y = x.to(Device{});
  return x.dtype() == DType::bf16 ? ops::cast(y, DType::f64) : y;
}

void check_near(const Tensor& got, const Tensor& expected) {
  const double tolerance = got.dtype() == DType::bf16 ? 1.0 / 256 : got.dtype() == DType::f32 ? 1e-6 : 1e-14;
  CHECK(got.device() == device);
  const Comparison c = compare(here(got), expected, tolerance);
  CHECK_MESSAGE(c.ok, "error ", c.error, " ", c.text);
}
// Sums and products are rounded once, on every device.
void check_same(const Tensor& got, const Tensor& expected) {
  CHECK(got.device() == device);
  CHECK(got.to_doubles() == ops::cast(expected, got.dtype()).to_doubles());
}

template <class Check>
void for_starts_and_counts(const Check& check) {
  for (const std::int64_t start : {0, 1, 2, 4, 8})
    for (const std::int64_t count : {1, 3, 4, 5, 8, 31, 33, 1000}) {
      CAPTURE(start);
      CAPTURE(count);
      check(start, count);
    }
}

TEST_CASE("elementwise functions on a device, for counts and starts around an access") {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16})
    for (const ops::Unary function : {ops::Unary::relu, ops::Unary::gelu, ops::Unary::gelu_tanh, ops::Unary::silu,
                                      ops::Unary::sigmoid, ops::Unary::quick_gelu}) {
      CAPTURE(std::string(name_of(dtype)));
      CAPTURE(std::string(ops::name_of(function)));
      for_starts_and_counts([&](std::int64_t start, std::int64_t count) {
        const Tensor x = numbers(1, start, count, dtype), g = numbers(2, start, count, dtype);
        check_near(ops::unary(function, x), ops::unary(function, here(x)));
        check_near(ops::unary_backward(function, g, x), ops::unary_backward(function, here(g), here(x)));
      });
    }
}

TEST_CASE("elementwise sums and products on a device have the CPU's bits, for counts and starts around an access") {
  for (const DType dtype : {DType::f32, DType::f64})
    for_starts_and_counts([&](std::int64_t start, std::int64_t count) {
      const Tensor a = numbers(1, start, count, dtype), b = numbers(2, start, count, dtype);
      check_same(ops::add(a, b), ops::add(here(a), here(b)));
      check_same(ops::sub(a, b), ops::sub(here(a), here(b)));
      check_same(ops::mul(a, b), ops::mul(here(a), here(b)));
      check_same(ops::scale(a, 0.7), ops::scale(here(a), 0.7));
    });
}

TEST_CASE("sums into given tensors on a device leave their neighbours alone, and one operand may be the sum") {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16})
    for_starts_and_counts([&](std::int64_t start, std::int64_t count) {
      const Tensor a = numbers(1, start, count, dtype), b = numbers(2, start, count, dtype);
      const Tensor sum = ops::add(here(a), here(b));
      Tensor whole = Tensor::full({start + count + 1}, 7, dtype, device), out = whole.rows(start, start + count);
      ops::add_into(a, b, out);
      check_same(out, sum);
      CHECK(whole.at(start + count) == 7);
      CHECK((start == 0 || whole.at(start - 1) == 7));
      out = numbers(1, start, count, dtype);
      ops::add_into(out, b, out);
      check_same(out, sum);
    });
}

TEST_CASE("sums of two dtypes on a device are rounded once, for counts and starts around an access") {
  for_starts_and_counts([&](std::int64_t start, std::int64_t count) {
    const Tensor narrow = numbers(1, start, count, DType::bf16), wide = numbers(2, start, count, DType::f32);
    const Tensor sum = ops::add(here(narrow), ops::cast(here(wide), DType::f64));
    check_same(ops::add_rounded(narrow, wide), sum);
    Tensor to = wide;
    ops::add_wide_into(to, narrow);
    check_same(to, sum);
  });
}

// How far a result is from `exact`, where 1 is as far as it may be: half a unit of bf16, with room for f32's roundings,
// and `slack` for what the formula itself lacks.
double distance(double got, double exact, double slack) {
  const double half_unit = std::ldexp(1.0, std::max(std::ilogb(exact), -126) - 8);
  return std::abs(got - exact) / (half_unit * (1 + std::ldexp(1.0, -12)) + slack);
}

TEST_CASE("gelu of every bf16 number on a device") {
  Tensor x = Tensor::empty({1 << 16}, DType::bf16), g = Tensor::full({1 << 16}, -2.5, DType::bf16);
  for (std::int64_t i = 0; i < x.count(); ++i) x.mutable_data<bf16_t>()[i].bits = static_cast<std::uint16_t>(i);
  const Tensor y = ops::unary(ops::Unary::gelu, x.to(device)).to(Device{});
  const Tensor grad = ops::unary_backward(ops::Unary::gelu, g.to(device), x.to(device)).to(Device{});
  double value_distance = 0, slope_distance = 0;
  std::int64_t finite = 0, wrong = 0;
  for (std::int64_t i = 0; i < x.count(); ++i) {
    const double v = x.at(i);
    if (!std::isfinite(v)) {  // at -infinity the value is infinity times 0, and so are both slopes
      if (v > 0)
        wrong += y.at(i) != v || !std::isnan(grad.at(i));
      else
        wrong += !std::isnan(y.at(i)) || !std::isnan(grad.at(i));
      continue;
    }
    ++finite;
    const double cdf = std::erfc(v * -std::sqrt(0.5)) / 2, density = std::exp(-v * v / 2) * 0.3989422804014327;
    // The cdf is 0.5 + 0.5 erf(x / sqrt 2). erf is right to 2 units of 2^-24, of which the cdf takes half; a third of
    // that comes from its rounded argument, and half a unit from the sum: less than 2^-23. The slope adds x density, at
    // most 0.25, with about 2^-22 of itself from exp and the rounded x^2 / 2: less than 2^-21 in all.
    value_distance = std::max(value_distance, distance(y.at(i), v * cdf, std::ldexp(std::abs(v), -23)));
    slope_distance = std::max(slope_distance, distance(grad.at(i), -2.5 * (cdf + v * density), std::ldexp(2.5, -21)));
  }
  CHECK(finite == 2 * 255 * 128);
  CHECK(wrong == 0);
  CHECK(value_distance <= 1);
  CHECK(slope_distance <= 1);
}

}  // namespace
