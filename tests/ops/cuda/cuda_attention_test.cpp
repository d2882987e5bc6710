// Attention on a device where few queries meet many keys, so that blocks share the keys out as parts: masks of every
// alignment, parts in which nothing is open, sizes beside the tiles'.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>

#include "tensor/ops/attention/attention.h"
#include "tensor/ops/elementwise/cast.h"
#include "tests/ops/same_bits.h"

using namespace rein;
using namespace rein::testing;

namespace {

const Device device{Device::Kind::cuda, 0};

struct Sizes {
  std::int64_t n, heads, lq, lk, d, dv;
  std::int64_t margin = 0;  // columns beside the heads'
};

using Inputs = std::array<Tensor, 4>;  // q, k, v, grad_out
Inputs inputs(const Sizes& s, DType dtype) {
  const auto draw = [&](const char* name, std::int64_t rows, std::int64_t cols) {
    return random_normal(RandomKey(8).child(name), {s.n, rows, cols}, 0, 1, dtype);
  };
  const std::int64_t d = s.heads * s.d + 2 * s.margin, dv = s.heads * s.dv + 2 * s.margin;
  return {draw("q", s.lq, d), draw("k", s.lk, d), draw("v", s.lk, dv), draw("grad_out", s.lq, s.heads * s.dv)};
}

// Some keys blocked; and all of query 1; all but the last of query 2; for all queries the first half of the keys in the
// first batch, and the second half (but the last key) in the others.
Tensor some_mask(const Sizes& s) {
  Tensor mask = Tensor::zeros({s.n, s.lq, s.lk}, DType::u8);
  for (std::int64_t i = 0; i < mask.count(); ++i) {
    const std::int64_t key = i % s.lk, query = i / s.lk % s.lq;
    const bool half = (key < s.lk / 2) == (i / (s.lk * s.lq) == 0), last = key == s.lk - 1;
    const bool rare = RandomKey(9).uniform(static_cast<std::uint64_t>(i)) < 0.3;
    mask.mutable_data<std::uint8_t>()[i] = query == 1 || (!last && (query == 2 || half || rare));
  }
  return mask;
}

// The mask behind other numbers, so that it starts where its size makes it start.
Tensor inside_of_more(const Tensor& mask, Device on) {
  if (!mask) return {};
  const std::int64_t n = mask.size(0);
  Tensor more = Tensor::zeros({n + 1, mask.size(1), mask.size(2)}, DType::u8);
  more.rows(1, n + 1).copy_from(mask);
  return more.to(on).rows(1, n + 1);
}

// out, log_sum_exp, then the tensors that hold the gradients.
std::vector<Tensor> run(const Sizes& s, const Inputs& x, const Tensor& mask, Device on, Tensor rel_height = {},
                        Tensor rel_width = {}) {
  const auto on_device = [&](const Tensor& t) { return t ? t.to(on) : Tensor{}; };
  const auto heads = [&](const Tensor& t) { return rows_of(t, {}, {s.margin, t.size(2) - s.margin}); };
  const auto like = [&](const Tensor& t) { return Tensor::full(t.shape(), 0.5, t.dtype(), on); };
  const Tensor q = x[0].to(on), k = x[1].to(on), v = x[2].to(on);
  const ops::AttentionOptions options{.heads = s.heads,
                                      .blocked = inside_of_more(mask, on),
                                      .rel_height = on_device(rel_height),
                                      .rel_width = on_device(rel_width)};
  const auto out = ops::attention(heads(q), heads(k), heads(v), options);
  std::vector<Tensor> all{out.out, out.log_sum_exp, like(q), like(k), like(v)};
  if (rel_height) all.insert(all.end(), {like(rel_height), like(rel_width)});
  ops::attention_backward(
      x[3].to(on), heads(q), heads(k), heads(v), out, options,
      {heads(all[2]), heads(all[3]), heads(all[4]), rel_height ? all[5] : Tensor{}, rel_height ? all[6] : Tensor{}});
  return all;
}

void check_near(const std::vector<Tensor>& got, const std::vector<Tensor>& expected, double tolerance) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    const Comparison c = compare(ops::cast(got[i].to(Device{}), DType::f64), expected[i], tolerance);
    CHECK_MESSAGE(c.ok, "error ", c.error, " ", c.text);
  }
}

// Against f64 on the CPU, from the same numbers.
void check(const Sizes& s, const Inputs& x, const Tensor& mask, double f32_tolerance = 2e-5) {
  const auto expected = run(s, x, mask, Device{});
  check_near(run(s, x, mask, device), expected, 1e-12);
  Inputs narrow = x;
  for (Tensor& t : narrow) t = ops::cast(t, DType::f32);
  check_near(run(s, narrow, mask, device), expected, f32_tolerance);
}

Inputs rounded(const Sizes& s) {  // in f64, values that f32 holds
  Inputs x = inputs(s, DType::f32);
  for (Tensor& t : x) t = ops::cast(t, DType::f64);
  return x;
}

TEST_CASE("attention on a device: few queries and many keys, with masks of every alignment") {
  for (const Sizes& s : {Sizes{2, 2, 70, 300, 32, 32}, Sizes{2, 1, 5, 333, 20, 12, 1}, Sizes{1, 2, 64, 512, 32, 32},
                         Sizes{3, 1, 3, 528, 64, 48}, Sizes{2, 1, 34, 272, 133, 140}, Sizes{1, 1, 40, 270, 80, 36, 4},
                         Sizes{1, 1, 3, 1, 2, 2}, Sizes{2, 1, 3, 16, 32, 32}, Sizes{1, 3, 65, 191, 16, 128}}) {
    CAPTURE(s.lk);
    const Inputs x = rounded(s);
    for (const Tensor& mask : {Tensor{}, some_mask(s)}) check(s, x, mask);
  }
}

TEST_CASE("attention on a device: the same bits every time, in parts as well") {
  const Sizes s{2, 2, 70, 300, 32, 32};
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Inputs x = inputs(s, dtype);
    const auto first = run(s, x, some_mask(s), device), again = run(s, x, some_mask(s), device);
    for (std::size_t i = 0; i < first.size(); ++i) CHECK(same_bits(first[i].to(Device{}), again[i].to(Device{})));
  }
}

TEST_CASE("attention on a device: parts whose largest logits lie far apart") {
  const Sizes s{1, 1, 5, 300, 32, 32};
  Inputs x = rounded(s);
  for (std::int64_t i = 0; i < 100 * s.d; ++i) x[1].mutable_data<double>()[i] *= 64;
  check(s, x, {}, 1e-3);  // an ulp of a logit of some hundreds is 3e-5
}

TEST_CASE("attention on a device: NaN of a key reaches the queries that may see it, in whatever part") {
  const Sizes s{1, 1, 4, 300, 8, 8};
  for (const std::int64_t key : {3, 200, 299}) {
    CAPTURE(key);
    Inputs x = rounded(s);
    x[1].mutable_data<double>()[key * s.d] = std::numeric_limits<double>::quiet_NaN();
    Tensor mask = Tensor::zeros({1, s.lq, s.lk}, DType::u8);
    for (const std::int64_t query : {0, 3}) mask.mutable_data<std::uint8_t>()[query * s.lk + key] = 1;
    for (const DType dtype : {DType::f32, DType::f64}) {
      Inputs cast = x;
      for (Tensor& t : cast) t = ops::cast(t, dtype);
      const auto got = run(s, cast, mask, device);
      for (std::int64_t query = 0; query < s.lq; ++query) {
        const bool open = query == 1 || query == 2;
        CHECK(std::isnan(got[0].to(Device{}).at(query * s.dv)) == open);
        CHECK(std::isnan(got[1].to(Device{}).at(query)) == open);
      }
    }
  }
}

TEST_CASE("attention on a device: keys that do not exist count nothing where all scores are far below zero") {
  const Sizes s{2, 1, 5, 290, 4, 4};
  Inputs x = rounded(s);
  for (std::int64_t i = 0; i < x[0].count(); i += s.d) x[0].mutable_data<double>()[i] = 64;
  for (std::int64_t i = 0; i < x[1].count(); i += s.d) x[1].mutable_data<double>()[i] = -64;
  check(s, x, {}, 1e-3);  // logits of -2048
}

TEST_CASE("attention on a device: relative positions where the keys are split") {
  const std::int64_t height = 17, width = 19, l = height * width;
  const Sizes s{2, 2, l, l, 20, 12};
  const auto table = [&](const char* name, std::int64_t extent) {
    return random_normal(RandomKey(8).child(name), {2 * extent - 1, s.d}, 0, 0.2, DType::f64);
  };
  const Tensor down = table("down", height), across = table("across", width);
  const Inputs x = inputs(s, DType::f64);
  for (const Tensor& mask : {Tensor{}, some_mask(s)})
    check_near(run(s, x, mask, device, down, across), run(s, x, mask, Device{}, down, across), 1e-12);
}

}  // namespace
