#include "tensor/random.h"

#include <cmath>
#include <numbers>

#include "tensor/error.h"

namespace rein {
namespace {

// The finaliser of splitmix64: a bijection that spreads every input bit.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

std::uint32_t high(std::uint64_t x) {
  return static_cast<std::uint32_t>(x >> 32);
}
std::uint32_t low(std::uint64_t x) {
  return static_cast<std::uint32_t>(x);
}

template <class F>
Tensor generate(const Shape& shape, DType dtype, F&& f) {
  Tensor t = Tensor::empty(shape, dtype);
  dispatch_real("random", dtype, [&]<class T>() {
    T* out = t.mutable_data<T>();
    for (std::int64_t i = 0; i < t.count(); ++i) out[i] = static_cast<T>(f(static_cast<std::uint64_t>(i)));
  });
  return t;
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c[2];
    c = {high(p1) ^ c[1] ^ k[0], low(p1), high(p0) ^ c[3] ^ k[1], low(p0)};
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  return c;
}

RandomKey RandomKey::child(std::uint64_t index) const {
  RandomKey k = *this;
  k.stream_ = mix(stream_ ^ mix(index));
  return k;
}

RandomKey RandomKey::child(std::string_view name) const {
  std::uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return child(hash ^ 0x6E616D65u);  // keeps names apart from numbers
}

std::uint64_t RandomKey::bits(std::uint64_t element) const {
  const auto r = philox({low(element), high(element), low(stream_), high(stream_)}, {low(key_), high(key_)});
  return (std::uint64_t{r[1]} << 32) | r[0];
}

std::uint64_t RandomKey::below(std::uint64_t element, std::uint64_t n) const {
  require(n >= 1, "random", "below needs n of 1 or more, got ", n);
  __extension__ using wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<wide>(bits(element)) * n) >> 64);
}

double RandomKey::normal(std::uint64_t element) const {
  const auto r = philox({low(element), high(element), low(stream_), high(stream_)}, {low(key_), high(key_)});
  const double u = (static_cast<double>((std::uint64_t{r[1]} << 32 | r[0]) >> 11) + 0.5) * 0x1p-53;
  const double v = static_cast<double>((std::uint64_t{r[3]} << 32 | r[2]) >> 11) * 0x1p-53;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

Tensor random_uniform(RandomKey key, const Shape& shape, double lo, double hi, DType dtype) {
  return generate(shape, dtype, [&](std::uint64_t i) { return key.uniform(i, lo, hi); });
}

Tensor random_normal(RandomKey key, const Shape& shape, double mean, double std, DType dtype) {
  return generate(shape, dtype, [&](std::uint64_t i) { return mean + std * key.normal(i); });
}

}  // namespace rein
