#include "tensor/random.h"

#include <cmath>
#include <numbers>

#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tensor/philox.h"

namespace rein {
namespace {

template <class F>
Tensor generate(const Shape& shape, DType dtype, F&& f) {
  Tensor t = Tensor::empty(shape, dtype);
  dispatch_real("random", dtype, [&]<class T>() {
    T* out = t.mutable_data<T>();
    parallel_ranges(t.count(), elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) out[i] = static_cast<T>(f(static_cast<std::uint64_t>(i)));
    });
  });
  return t;
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> k) {
  const PhiloxWords r = philox_words({{c[0], c[1], c[2], c[3]}}, k[0], k[1]);
  return {r.at[0], r.at[1], r.at[2], r.at[3]};
}

RandomKey RandomKey::child(std::uint64_t index) const {
  RandomKey k = *this;
  k.stream_ = child_stream(stream_, index);
  return k;
}

RandomKey RandomKey::child(std::string_view name) const {
  std::uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return child(hash ^ 0x6E616D65u);  // keeps names apart from numbers
}

std::uint64_t RandomKey::bits(std::uint64_t element) const {
  return random_bits(key_, stream_, element);
}

std::uint64_t RandomKey::below(std::uint64_t element, std::uint64_t n) const {
  require(n >= 1, "random", "below needs n of 1 or more, got ", n);
  __extension__ using wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<wide>(bits(element)) * n) >> 64);
}

double RandomKey::normal(std::uint64_t element) const {
  const PhiloxWords r = philox_block(key_, stream_, element);
  const double u = (static_cast<double>((std::uint64_t{r.at[1]} << 32 | r.at[0]) >> 11) + 0.5) * 0x1p-53;
  const double v = static_cast<double>((std::uint64_t{r.at[3]} << 32 | r.at[2]) >> 11) * 0x1p-53;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

Tensor random_uniform(RandomKey key, const Shape& shape, double lo, double hi, DType dtype) {
  return generate(shape, dtype, [&](std::uint64_t i) { return key.uniform(i, lo, hi); });
}

Tensor random_normal(RandomKey key, const Shape& shape, double mean, double std, DType dtype) {
  return generate(shape, dtype, [&](std::uint64_t i) { return mean + std * key.normal(i); });
}

}  // namespace rein
