#include "tensor/ops/attention/attention.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "autograd/cases/attention/attention_cases.h"
#include "autograd/ops/attention/attention.h"
#include "autograd/record.h"
#include "tensor/error.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;

// Forward and backward of rows inside a packed tensor with a margin, poisoned outside.
std::vector<Tensor> run_all(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& g,
                            const ops::AttentionOptions& o) {
  const auto out = ops::attention(rows_of(q), rows_of(k), rows_of(v), o);
  Tensor gq = Tensor::empty_like(q), gk = Tensor::empty_like(k), gv = Tensor::empty_like(v);
  ops::attention_backward(g, rows_of(q), rows_of(k), rows_of(v), out, o, {rows_of(gq), rows_of(gk), rows_of(gv)});
  return {out.out, out.log_sum_exp, gq, gk, gv};
}

TEST_CASE("attention agrees on every instruction set") {
  check_every_isa("attention");
}

TEST_CASE("attention agrees with its reference variant at sizes beyond one block and one part") {
  poison_new_tensors(true);
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const bool masked : {false, true}) {
      const std::int64_t lq = 1025, lk = 389, heads = 2;
      const Tensor q = random_normal(RandomKey(1), {2, lq, heads * 20}, 0, 1, dtype);
      const Tensor k = random_normal(RandomKey(2), {2, lk, heads * 20}, 0, 1, dtype);
      const Tensor v = random_normal(RandomKey(3), {2, lk, heads * 12}, 0, 1, dtype);
      const Tensor g = random_normal(RandomKey(4), {2, lq, heads * 12}, 0, 1, dtype);
      const ops::AttentionOptions o{.heads = heads, .blocked = masked ? some_attention_mask(2, lq, lk) : Tensor{}};
      const auto fast = run_all(q, k, v, g, o);
      setenv("REIN_KERNEL", "attention:reference", 1);
      const auto slow = run_all(q, k, v, g, o);
      unsetenv("REIN_KERNEL");
      for (std::size_t i = 0; i < fast.size(); ++i) {
        CAPTURE(i);
        CAPTURE(masked);
        const Comparison c = compare(fast[i], slow[i], dtype == DType::f32 ? 5e-6 : 1e-13);
        CHECK_MESSAGE(c.ok, "error ", c.error, " ", c.text);
      }
    }
  }
  poison_new_tensors(false);
}

TEST_CASE("relative positions agree with the reference variant beyond one block and one part, with a table frozen") {
  poison_new_tensors(true);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const std::int64_t h = 27, w = 31, d = 20, c = 2 * d;  // 837 places: two parts of the queries
    const auto draw = [&](std::uint64_t seed, const Shape& shape, double std) {
      return random_normal(RandomKey(seed), shape, 0, std, dtype);
    };
    const Tensor qkv = draw(1, {2, h * w, 3 * c}, 1), g = draw(2, {2, h * w, c}, 1);
    const Tensor rel_h = draw(3, {2 * h - 1, d}, 0.2), rel_w = draw(4, {2 * w - 1, d}, 0.2);
    const auto run = [&](bool frozen) {
      const Variable x = frozen ? constant(qkv) : parameter(qkv.clone());
      const Variable down = parameter(rel_h.clone()), across = frozen ? constant(rel_w) : parameter(rel_w.clone());
      const Variable y = attention_packed(x, {.heads = 2, .rel_height = down, .rel_width = across});
      backward(y, g);
      std::vector<Tensor> all{y.value(), down.grad()};
      if (!frozen) all.insert(all.end(), {x.grad(), across.grad()});
      return all;
    };
    check_same_bits_for_any_threads([&] { return run(false); });
    const auto fast = run(false), partly = run(true);
    setenv("REIN_KERNEL", "attention:reference", 1);
    const auto slow = run(false);
    unsetenv("REIN_KERNEL");
    for (std::size_t i = 0; i < fast.size(); ++i) {
      CAPTURE(i);
      const Comparison result = compare(fast[i], slow[i], dtype == DType::f32 ? 2e-5 : 1e-12);
      CHECK_MESSAGE(result.ok, "error ", result.error, " ", result.text);
    }
    CHECK(same_bits(fast[1], partly[1]));
  }
  poison_new_tensors(false);
}

TEST_CASE("no image at all: the gradients of relative positions are zeros, not what the memory held") {
  poison_new_tensors(true);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const std::int64_t h = 3, w = 2, d = 4, c = 2 * d;
    const auto table = [&](std::int64_t side) { return parameter(Tensor::zeros({2 * side - 1, d}, dtype)); };
    const Variable x = parameter(Tensor::zeros({0, h * w, 3 * c}, dtype)), down = table(h), across = table(w);
    const Variable y = attention_packed(x, {.heads = 2, .rel_height = down, .rel_width = across});
    backward(y, Tensor::zeros({0, h * w, c}, dtype));
    for (const Variable& v : {down, across}) CHECK(same_bits(v.grad(), Tensor::zeros(v.shape(), dtype)));
  }
  poison_new_tensors(false);
}

TEST_CASE("tables of relative positions must fit the map, and come together") {
  const Tensor x = Tensor::zeros({2, 6, 8}, DType::f32);
  const auto run = [&](const Tensor& down, const Tensor& across) {
    ops::attention(rows_of(x), rows_of(x), rows_of(x), {.heads = 2, .rel_height = down, .rel_width = across});
  };
  const auto table = [](std::int64_t rows, std::int64_t d) { return Tensor::zeros({rows, d}, DType::f32); };
  run(table(3, 4), table(5, 4));
  CHECK_THROWS_WITH_AS(run(table(3, 4), table(3, 4)),
                       "[attention] queries and keys must be the 4 places of a map of 2 x 2, got 6 and 6",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(run(table(3, 4), table(4, 4)),
                       "[attention] rel_height and rel_width must be f32 (2 h - 1, 4) and (2 w - 1, 4), got f32 (3, 4) "
                       "and f32 (4, 4)",
                       std::invalid_argument);
  CHECK_THROWS_AS(run(table(3, 8), table(5, 8)), std::invalid_argument);
  CHECK_THROWS_AS(run(table(3, 4), {}), std::invalid_argument);
}

TEST_CASE("attention gives the same bits for any number of threads, and per sample as in a batch") {
  const Tensor q = random_normal(RandomKey(1), {3, 531, 66}, 0, 1), k = random_normal(RandomKey(2), {3, 197, 66}, 0, 1);
  const Tensor v = random_normal(RandomKey(3), {3, 197, 66}, 0, 1), g = random_normal(RandomKey(4), {3, 531, 66}, 0, 1);
  const ops::AttentionOptions o{.heads = 3};
  check_same_bits_for_any_threads([&] { return run_all(q, k, v, g, o); });
  const auto batch = run_all(q, k, v, g, o), one = run_all(q.rows(1, 2), k.rows(1, 2), v.rows(1, 2), g.rows(1, 2), o);
  for (std::size_t i = 0; i < batch.size(); ++i) CHECK(same_bits(batch[i].rows(1, 2), one[i]));
}

TEST_CASE("attention takes huge logits, and NaN reaches what it touches only") {
  const KeepIsa keep;
  for (const std::string& isa : available_isas()) {
    force_isa(isa);
    CAPTURE(isa);
    Tensor q = Tensor::full({1, 3, 4}, 1000, DType::f32), k = Tensor::zeros({1, 70, 4}, DType::f32);
    k.view({70, 4}).rows(5, 6).fill(1);
    k.view({70, 4}).rows(6, 7).fill(-1);
    const Tensor v = random_normal(RandomKey(1), {1, 70, 4}, 0, 1), g = random_normal(RandomKey(2), {1, 3, 4}, 0, 1);
    auto r = run_all(q, k, v, g, {});  // logits 2000, -2000, 0
    for (std::int64_t c = 0; c < 4; ++c) CHECK(r[0].at(c) == v.at(5 * 4 + c));
    CHECK(r[1].at(0) == 2000);
    for (const Tensor& t : r)
      for (const double x : t.to_doubles()) CHECK(std::isfinite(x));
    q.view({3, 4}).rows(1, 2).fill(std::numeric_limits<double>::quiet_NaN());
    r = run_all(q, k, v, g, {});
    for (std::int64_t c = 0; c < 4; ++c) {
      CHECK(std::isnan(r[0].at(4 + c)));
      CHECK(std::isnan(r[2].at(4 + c)));
      CHECK(std::isfinite(r[0].at(c)));
      CHECK(std::isfinite(r[2].at(8 + c)));
    }
    CHECK(std::isnan(r[3].at(0)));
    CHECK(std::isnan(r[4].at(0)));
  }
}

TEST_CASE("a query with all keys blocked gives NaN, its neighbours do not") {
  Tensor mask = Tensor::zeros({1, 2, 3}, DType::u8);
  mask.view({2, 3}).rows(0, 1).fill(1);
  const Tensor x = random_normal(RandomKey(1), {1, 3, 4}, 0, 1);
  const auto out = ops::attention(rows_of(x, {0, 2}), rows_of(x), rows_of(x), {.blocked = mask});
  CHECK(std::isnan(out.out.at(0)));
  CHECK(std::isfinite(out.out.at(4)));
}

TEST_CASE("attention saves out and log-sum-exp beside its inputs, and no matrix") {
  const Variable qkv = parameter(random_normal(RandomKey(1), {2, 300, 3 * 8}, 0, 1));
  const Variable y = attention_packed(qkv, {.heads = 2});
  std::size_t bytes = 0;
  for (const SavedBytes& s : y.impl()->node->saved_bytes) bytes += s.bytes;
  CHECK(bytes == qkv.value().bytes() + y.value().bytes() + 2 * 2 * 300 * sizeof(float));
}

TEST_CASE("attention writes gradients into column ranges and leaves the rest alone") {
  const std::int64_t c = 6;
  const Tensor qkv = random_normal(RandomKey(1), {2, 9, 3 * c}, 0, 1), g = random_normal(RandomKey(2), {2, 9, c}, 0, 1);
  const auto part = [&](const Tensor& t, std::int64_t i) { return rows_of(t, {}, {i * c, (i + 1) * c}); };
  const ops::AttentionOptions o{.heads = 2};
  const auto out = ops::attention(part(qkv, 0), part(qkv, 1), part(qkv, 2), o);
  Tensor grad = Tensor::full({2, 9, 3 * c}, 7, DType::f32);
  ops::attention_backward(g, part(qkv, 0), part(qkv, 1), part(qkv, 2), out, o, {{}, part(grad, 1), {}});
  for (std::int64_t i = 0; i < grad.count(); ++i) CHECK((grad.at(i) == 7) == (i % (3 * c) / c != 1));
}

TEST_CASE("attention takes no samples and no queries, and names what it got") {
  const Tensor x = Tensor::zeros({2, 5, 8}, DType::f32), none = Tensor::zeros({2, 0, 8}, DType::f32);
  CHECK(ops::attention(rows_of(none), rows_of(x), rows_of(x), {.heads = 2}).out.shape() == Shape{2, 0, 8});
  CHECK(run_all(none, x, x, none, {.heads = 2})[3].to_doubles() == std::vector<double>(80, 0.0));
  const auto run = [&](const Tensor& k, ops::AttentionOptions o) {
    ops::attention(rows_of(x), rows_of(k), rows_of(k), o);
  };
  CHECK_THROWS_WITH_AS(
      run(x, {.heads = 3}),
      "[attention] columns must be a multiple of heads = 3; q is 2 x (5, 8) in (2, 5, 8) f32, k is 2 x "
      "(5, 8) in (2, 5, 8) f32, v is 2 x (5, 8) in (2, 5, 8) f32",
      std::invalid_argument);
  CHECK_THROWS_WITH_AS(run(x, {.blocked = Tensor::zeros({2, 5, 4}, DType::u8)}),
                       "[attention] blocked must be u8 (2, 5, 5), got u8 (2, 5, 4)", std::invalid_argument);
  CHECK_THROWS_AS(run(none, {}), std::invalid_argument);
  CHECK_THROWS_AS(run(Tensor::zeros({1, 5, 8}, DType::f32), {}), std::invalid_argument);
  setenv("REIN_KERNEL", "attention:fast", 1);
  CHECK_THROWS_AS(run(x, {}), std::invalid_argument);
  unsetenv("REIN_KERNEL");
  CHECK_THROWS_AS(attention_packed(parameter(x), {}), std::invalid_argument);
}

}  // namespace
