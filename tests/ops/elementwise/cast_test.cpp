#include "tensor/ops/elementwise/cast.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "tensor/half.h"
#include "tensor/parallel.h"
#include "tensor/random.h"

using rein::bf16_t;
using rein::DType;
using rein::f16_t;
using rein::Shape;
using rein::Tensor;
using rein::ops::cast;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// The value that a 16-bit pattern stands for, from the definition: sign, exponent and mantissa fields.
double value_of(unsigned bits, int mantissa_bits, int bias) {
  const unsigned mantissa = bits & ((1u << mantissa_bits) - 1);
  const int exponent_max = (1 << (15 - mantissa_bits)) - 1;
  const int exponent = static_cast<int>(bits >> mantissa_bits) & exponent_max;
  double v;
  if (exponent == exponent_max) {
    v = mantissa != 0 ? std::numeric_limits<double>::quiet_NaN() : infinity;
  } else if (exponent == 0) {
    v = std::ldexp(mantissa, 1 - bias - mantissa_bits);
  } else {
    v = std::ldexp((1u << mantissa_bits) + mantissa, exponent - bias - mantissa_bits);
  }
  return (bits & 0x8000u) != 0 ? -v : v;
}

double bf16_value(unsigned bits) {
  return value_of(bits, 7, 127);
}
double f16_value(unsigned bits) {
  return value_of(bits, 10, 15);
}

bool same(double a, double b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

// Every pattern becomes its value and comes back; between two neighbours, the nearer one wins and the even one at ties.
template <class Half, class ToHalf>
void check_all_patterns(double (*value)(unsigned), ToHalf to_half, unsigned infinity_bits) {
  int wrong = 0;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const float f = to_float(Half{static_cast<std::uint16_t>(bits)});
    wrong += !same(f, value(bits));
    if (std::isnan(f)) {
      wrong += !std::isnan(to_float(to_half(f)));
    } else {
      wrong += to_half(f).bits != bits;
    }
    if ((bits & 0x7FFFu) >= infinity_bits) continue;
    // The neighbour farther from zero. Where it is infinity, rounding acts as if the next power of two stood there.
    const double here = value(bits);
    const double beyond = value(bits + 1);
    const double next = std::isinf(beyond) ? 2 * here - value(bits - 1) : beyond;
    const auto middle = static_cast<float>((here + next) / 2);
    if (static_cast<double>(middle) != (here + next) / 2) continue;  // bf16 near the largest float
    const unsigned even = bits % 2 == 0 ? bits : bits + 1;
    wrong += to_half(middle).bits != even;
    wrong += to_half(std::nextafter(middle, static_cast<float>(here))).bits != bits;
    if (!std::isinf(std::nextafter(middle, std::copysign(std::numeric_limits<float>::infinity(), middle)))) {
      wrong += to_half(std::nextafter(middle, std::copysign(std::numeric_limits<float>::infinity(), middle))).bits !=
               bits + 1;
    }
  }
  CHECK(wrong == 0);
}

Tensor doubles(const std::vector<double>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

}  // namespace

TEST_CASE("half: all 65536 bf16 patterns, and the points between them") {
  check_all_patterns<bf16_t>(
      bf16_value, [](float v) { return rein::to_bf16(v); }, 0x7F80);
}

TEST_CASE("half: all 65536 f16 patterns, and the points between them") {
  check_all_patterns<f16_t>(
      f16_value, [](float v) { return rein::to_f16(v); }, 0x7C00);
}

TEST_CASE("half: the ends of the range") {
  CHECK(rein::to_f16(65504.0f).bits == 0x7BFF);
  CHECK(rein::to_f16(std::nextafter(65520.0f, 0.0f)).bits == 0x7BFF);
  CHECK(rein::to_f16(65520.0f).bits == 0x7C00);
  CHECK(rein::to_f16(-1e30f).bits == 0xFC00);
  CHECK(rein::to_f16(0x1p-25f).bits == 0);
  CHECK(rein::to_f16(std::nextafter(0x1p-25f, 1.0f)).bits == 1);
  CHECK(rein::to_f16(-0.0f).bits == 0x8000);
  CHECK(rein::to_bf16(std::numeric_limits<float>::max()).bits == 0x7F80);
  CHECK(rein::to_bf16(-std::numeric_limits<float>::denorm_min()).bits == 0x8000);
  // A NaN whose set bits all lie in the dropped half stays a NaN.
  CHECK(std::isnan(to_float(rein::to_bf16(std::bit_cast<float>(0x7F800001u)))));
  CHECK(std::isnan(to_float(rein::to_f16(std::bit_cast<float>(0xFF800001u)))));
}

TEST_CASE("cast: every pair of dtypes keeps small integers") {
  const DType all[] = {DType::f64, DType::f32, DType::bf16, DType::f16, DType::i64, DType::i32, DType::u8};
  const std::vector<double> values = {0, 1, 2, 3, 127, 128, 200, 255};
  for (const DType from : all) {
    for (const DType to : all) {
      CAPTURE(rein::name_of(from));
      CAPTURE(rein::name_of(to));
      const Tensor x = cast(doubles(values).view({2, 4}), from);
      const Tensor y = cast(x, to);
      CHECK(y.dtype() == to);
      CHECK(y.shape() == Shape{2, 4});
      CHECK(y.to_doubles() == values);
      CHECK((y.raw() == x.raw()) == (from == to));
    }
  }
}

TEST_CASE("cast: to floats rounds to nearest even") {
  const Tensor wide = doubles({1.0 + 0x1p-24, 1.0 + 3 * 0x1p-24, 1e300, -1e-300, std::nan("")});
  const Tensor f = cast(wide, DType::f32);
  CHECK(f.at(0) == 1.0);
  CHECK(f.at(1) == 1.0 + 0x1p-22);
  CHECK(f.at(2) == infinity);
  CHECK(same(f.at(3), -0.0));
  CHECK(std::isnan(f.at(4)));
  const Tensor big = Tensor::from(std::vector<std::int64_t>{(1ll << 53) + 1, -(1ll << 62) - 1}, {2});
  CHECK(cast(big, DType::f64).at(0) == 0x1p53);
  CHECK(cast(big, DType::f32).at(1) == -0x1p62);
  CHECK(cast(big, DType::bf16).at(1) == -0x1p62);
}

TEST_CASE("cast: floats to integers truncate, clamp, and turn NaN into 0") {
  const std::vector<double> values = {1.9,
                                      -1.9,
                                      -0.5,
                                      255.9,
                                      256,
                                      -1,
                                      2147483647,
                                      2147483648.0,
                                      -2147483648.9,
                                      -2147483649.0,
                                      9223372036854774784.0,
                                      0x1p63,
                                      -0x1p63,
                                      -0x1p64,
                                      infinity,
                                      -infinity,
                                      std::nan("")};
  const auto max32 = 2147483647.0, min32 = -2147483648.0, low64 = -0x1p63;
  const std::vector<double> u8 = {1, 0, 0, 255, 255, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 0, 0};
  const std::vector<double> i32 = {1,     -1,    0,     255,   256,   -1,    max32, max32, min32,
                                   min32, max32, max32, min32, min32, max32, min32, 0};
  const std::vector<double> i64 = {
      1,      -1,    0,     255,    256,   -1, 2147483647, 2147483648.0, min32, -2147483649.0, 9223372036854774784.0,
      0x1p63, low64, low64, 0x1p63, low64, 0};
  CHECK(cast(doubles(values), DType::u8).to_doubles() == u8);
  CHECK(cast(doubles(values), DType::i32).to_doubles() == i32);
  CHECK(cast(doubles(values), DType::i64).to_doubles() == i64);
  CHECK(cast(doubles(values), DType::i64).data<std::int64_t>()[11] == std::numeric_limits<std::int64_t>::max());
  const Tensor f = Tensor::from(std::vector<float>{2147483648.0f, -2147483648.0f, -3e9f, 0x1p63f, -0x1p63f}, {5});
  CHECK(cast(f, DType::i32).to_doubles() == std::vector<double>{max32, min32, min32, max32, min32});
  CHECK(cast(f, DType::i64).to_doubles() == std::vector<double>{2147483648.0, min32, -3e9, 0x1p63, low64});
  const Tensor h = cast(doubles({-infinity, infinity, 65504, 2.5}), DType::f16);
  CHECK(cast(h, DType::u8).to_doubles() == std::vector<double>{0, 255, 255, 2});
}

TEST_CASE("cast: a large tensor on any number of threads; null and empty tensors") {
  const Tensor x = rein::random_normal(rein::RandomKey(1), {3, 100'003}, 0, 1);
  const int before = rein::thread_count();
  rein::set_thread_count(1);
  const Tensor one = cast(x, DType::bf16);
  rein::set_thread_count(4);
  const Tensor four = cast(x, DType::bf16);
  rein::set_thread_count(before);
  CHECK(one.to_doubles() == four.to_doubles());
  int wrong = 0;
  for (std::int64_t i = 0; i < x.count(); ++i) wrong += one.at(i) != to_float(rein::to_bf16(x.data<float>()[i]));
  CHECK(wrong == 0);
  CHECK(cast(Tensor::empty({0, 4}, DType::f32), DType::i64).shape() == Shape{0, 4});
  CHECK_THROWS_AS(cast(Tensor(), DType::f32), std::invalid_argument);
}
