// What the op cases do not reach on a device: empty inputs, blocked rows in backward, rows inside wider tensors, the
// forced variants, numbers far from one.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "autograd/cases/case.h"
#include "tensor/ops/attention/attention.h"
#include "tensor/ops/conv/conv2d.h"
#include "tensor/ops/elementwise/cast.h"
#include "tensor/ops/sampling/ms_deform_attn.h"
#include "tensor/ops/sampling/point_sample.h"
#include "tensor/ops/sampling/resize.h"
#include "tensor/ops/sampling/window_sum.h"

using namespace rein;
using namespace rein::testing;

namespace {

const Device device{Device::Kind::cuda, 0};

Tensor random(const char* name, const Shape& shape, DType dtype = DType::f64) {
  return random_normal(RandomKey(3).child(name), shape, 0, 1, dtype);
}

void check_equal(const std::vector<Tensor>& got, const std::vector<Tensor>& expected, double tolerance) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(got[i].device() == device);
    const Comparison c = compare(got[i].to(Device{}), expected[i], tolerance);
    CHECK_MESSAGE(c.ok, "error ", c.error, " ", c.text);
  }
}

// out, log_sum_exp and gradients of column ranges of `x`, whose rows are wider; gradients go to ranges as well.
std::vector<Tensor> run_attention(const Tensor& x, const Tensor& grad_out, const Tensor& blocked, std::int64_t d,
                                  Range queries) {
  const auto third = [&](const Tensor& t, std::int64_t i, Range rows) {
    return rows_of(t, rows, {1 + i * 2 * d, 1 + (i + 1) * 2 * d});
  };
  const ops::AttentionOptions options{.heads = 2, .blocked = blocked};
  const Rows q = third(x, 0, queries), k = third(x, 1, {}), v = third(x, 2, {});
  const auto out = ops::attention(q, k, v, options);
  const Tensor grad = Tensor::full(x.shape(), 0.5, x.dtype(), x.device());
  ops::attention_backward(grad_out, q, k, v, out, options,
                          {third(grad, 0, queries), third(grad, 1, {}), third(grad, 2, {})});
  return {out.out, out.log_sum_exp, grad};
}

TEST_CASE("attention on a device: rows inside wider tensors, and queries with all keys blocked") {
  for (const std::int64_t d : {3, 4, 64, 133}) {
    CAPTURE(d);
    const std::int64_t n = 2, l = 37;
    const Tensor x = random("x", {n, l, 6 * d + 3}), g = random("g", {n, l - 1, 2 * d});
    Tensor blocked = Tensor::zeros({n, l - 1, l}, DType::u8);
    for (std::int64_t key = 0; key < l; ++key) blocked.mutable_data<std::uint8_t>()[2 * l + key] = 1;
    check_equal(run_attention(x.to(device), g.to(device), blocked.to(device), d, {1, l}),
                run_attention(x, g, blocked, d, {1, l}), 1e-12);
  }
}

TEST_CASE("attention on a device: no queries give zero gradients") {
  const Tensor x = random("x", {2, 5, 6 * 4 + 3}), g = Tensor::zeros({2, 0, 8}, DType::f64);
  check_equal(run_attention(x.to(device), g.to(device), {}, 4, {2, 2}), run_attention(x, g, {}, 4, {2, 2}), 0);
}

TEST_CASE("attention on a device in bf16 is near f64") {
  struct Sizes {
    std::int64_t d, l, first;
    bool mask;
  };
  for (const Sizes& s :
       {Sizes{8, 5, 0, false}, Sizes{64, 70, 1, true}, Sizes{80, 133, 0, false}, Sizes{128, 70, 3, true},
        Sizes{3, 150, 2, true}, Sizes{64, 140, 0, false}, Sizes{40, 129, 0, false}, Sizes{64, 64, 0, false}}) {
    CAPTURE(s.d);
    const Tensor x = ops::cast(random("x", {2, s.l, 6 * s.d + 3}, DType::f32), DType::bf16);
    const Tensor g = ops::cast(random("g", {2, s.l - s.first, 2 * s.d}, DType::f32), DType::bf16);
    Tensor blocked;
    if (s.mask) {
      blocked = Tensor::zeros({2, s.l - s.first, s.l}, DType::u8);
      for (std::int64_t i = 0; i < blocked.count(); ++i)
        blocked.mutable_data<std::uint8_t>()[i] =
            i / s.l == 1 || RandomKey(9).uniform(static_cast<std::uint64_t>(i)) < 0.3;
    }
    const auto expected =
        run_attention(ops::cast(x, DType::f64), ops::cast(g, DType::f64), blocked, s.d, {s.first, s.l});
    const auto got = run_attention(x.to(device), g.to(device), blocked.to(device), s.d, {s.first, s.l});
    CHECK(got[0].dtype() == DType::bf16);
    CHECK(got[1].dtype() == DType::f32);
    check_equal({got[0]}, {expected[0]}, 6e-3);  // 2^-9 per rounding of probabilities and results
    check_equal({got[1]}, {expected[1]}, 1e-6);
    check_equal({got[2]}, {expected[2]}, 6e-3);
  }
}

TEST_CASE("attention on a device in bf16: keys that do not exist count nothing where all scores are far below zero") {
  const std::int64_t d = 64, l = 70;
  Tensor x = random("x", {2, l, 6 * d + 3}, DType::f32);
  for (std::int64_t row = 0; row < 2 * l; ++row)
    for (const auto& [col, value] : {std::pair{1, 64.0F}, std::pair{1 + 2 * 64, -64.0F}})  // q and k of the first head
      x.mutable_data<float>()[row * x.size(2) + col] = value;
  x = ops::cast(x, DType::bf16);
  const Tensor g = ops::cast(random("g", {2, l, 2 * d}, DType::f32), DType::bf16);
  const auto got = run_attention(x.to(device), g.to(device), {}, d, {0, l});
  check_equal({got[0]}, {run_attention(ops::cast(x, DType::f64), ops::cast(g, DType::f64), {}, d, {0, l})[0]}, 6e-3);
  const Tensor grad = ops::cast(got[2].to(Device{}), DType::f64);
  std::int64_t finite = 0;
  for (std::int64_t i = 0; i < grad.count(); ++i) finite += std::isfinite(grad.at(i));
  CHECK(finite == grad.count());
}

// A copy on the device that starts `shift` elements after an aligned address.
Tensor shifted(const Tensor& t, std::int64_t shift) {
  Tensor copy = Tensor::empty({t.count() + shift}, t.dtype(), device).rows(shift, t.count() + shift).view(t.shape());
  copy.copy_from(t);
  return copy;
}

struct Deform {
  std::vector<ops::LevelShape> levels{{5, 7}, {3, 2}};
  Tensor value, locations, weights, grad;
  explicit Deform(std::int64_t queries, DType dtype, double scale = 1, std::int64_t width = 2)
      : value(random("value", {2, 41, 3 * width}, dtype)),
        locations(random_uniform(RandomKey(4), {2, queries, 3, 2, 3, 2}, -0.2, 1.2, dtype)),
        weights(random("weights", {2, queries, 3, 2, 3}, dtype)),
        grad(random_normal(RandomKey(5), {2, queries, 3 * width}, 0, scale, dtype)) {}
  std::vector<Tensor> run(Device on, std::int64_t shift = 0) const {
    const auto moved = [&](const Tensor& t) { return shift == 0 ? t.to(on) : shifted(t, shift); };
    const Tensor v = moved(value), l = moved(locations), w = moved(weights);
    const auto grads = ops::ms_deform_attn_backward(moved(grad), v, levels, l, w);
    return {ops::ms_deform_attn(v, levels, l, w), grads.value, grads.locations, grads.weights};
  }
};

TEST_CASE("ms_deform_attn on a device: gradients of any size, no queries, both ways to add") {
  for (const double scale : {1.0, 1e-30, 1e30}) {
    CAPTURE(scale);
    check_equal(Deform(40, DType::f32, scale).run(device), Deform(40, DType::f32, scale).run({}), 2e-6);
  }
  check_equal(Deform(40, DType::f64, 1e-200).run(device), Deform(40, DType::f64, 1e-200).run({}), 1e-12);
  check_equal(Deform(40, DType::f64, 0).run(device), Deform(40, DType::f64, 0).run({}), 1e-12);
  check_equal(Deform(0, DType::f64).run(device), Deform(0, DType::f64).run({}), 0);
  setenv("REIN_KERNEL", "ms_deform_attn:atomics", 1);
  const auto got = Deform(40, DType::f64).run(device);
  unsetenv("REIN_KERNEL");
  check_equal(got, Deform(40, DType::f64).run({}), 1e-12);
}

TEST_CASE("ms_deform_attn on a device: heads of all widths, at aligned addresses and others") {
  for (const std::int64_t width : {1, 6, 8, 16, 31, 32, 33, 64, 96, 128, 160}) {
    CAPTURE(width);
    const Deform d(9, DType::f64, 1, width), f(9, DType::f32, 1, width);
    const auto aligned = d.run(device);
    check_equal(aligned, d.run({}), 1e-12);
    check_equal(f.run(device), f.run({}), 2e-6);
    for (const std::int64_t shift : {1, 2}) {
      CAPTURE(shift);
      const auto other = d.run(device, shift);
      check_equal(other, d.run({}), 1e-12);
      CHECK(other[1].to_doubles() == aligned[1].to_doubles());  // sums of whole numbers, whoever adds them
      check_equal(f.run(device, shift), f.run({}), 2e-6);
    }
  }
}

TEST_CASE("ms_deform_attn on a device: the largest product counts in whichever block, warp and lane it stands") {
  for (const std::int64_t owner : {0, 3, 4, 15, 16, 131, 299}) {  // of 300; a block has 16, a warp 4
    CAPTURE(owner);
    Deform d(50, DType::f64), e(50, DType::f64);
    d.grad.mutable_data<double>()[owner * 2 + owner % 2] = 1e12;
    e.weights.mutable_data<double>()[owner * 6 + owner % 6] = 1e12;
    check_equal({d.run(device)[1]}, {d.run({})[1]}, 1e-12);
    check_equal({e.run(device)[1]}, {e.run({})[1]}, 1e-12);
  }
}

TEST_CASE("point_sample on a device: the largest gradient counts in whichever block, warp and lane it stands") {
  const Tensor rows = Tensor::from(std::vector<std::int64_t>{1, 0}, {2});
  const Tensor points = random_uniform(RandomKey(6), {2, 9000, 2}, 0.1, 0.9, DType::f32);
  const auto run = [&](const Tensor& grad, Device on) {
    return std::vector{ops::point_sample_backward(grad.to(on), rows.to(on), points.to(on), {2, 5, 7})};
  };
  for (const std::int64_t place : {0, 31, 32, 255, 256, 16383, 16384, 17999}) {  // of 18000; a sweep takes 16384
    CAPTURE(place);
    Tensor grad = random("grad", {2, 9000});
    grad.mutable_data<double>()[place] = -1e12;
    check_equal(run(grad, device), run(grad, {}), 1e-12);
  }
}

TEST_CASE("ms_deform_attn on a device: what is not finite is never lost") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  const auto check_lost = [](const Deform& d) {
    const auto value = d.run(device)[1].to_doubles();
    CHECK(std::ranges::all_of(value, [](double v) { return std::isnan(v); }));
  };
  for (const std::int64_t width : {2, 32}) {
    for (const double bad : {nan, infinity, -infinity}) {
      CAPTURE(width);
      CAPTURE(bad);
      Deform d(40, DType::f64, 1, width), e(40, DType::f64, 1, width);
      d.grad.mutable_data<double>()[d.grad.count() - 1] = bad;
      e.weights.mutable_data<double>()[e.weights.count() - 2] = bad;
      check_lost(d);
      check_lost(e);
      e.grad.fill(0);  // infinity times zero
      check_lost(e);
    }
    for (const int coordinate : {0, 1}) {
      Deform d(40, DType::f64, 1, width);
      d.locations.mutable_data<double>()[40 + coordinate] = nan;
      check_lost(d);
      d.locations.mutable_data<double>()[40 + coordinate] = infinity;  // outside of the map: adds nothing
      check_equal({d.run(device)[1]}, {d.run({})[1]}, 1e-12);
    }
  }
}

TEST_CASE("conv2d on a device: no images, and more weights than fit one part") {
  const Tensor weight = random("w", {3, 3, 3, 2});
  const auto run = [&](const Tensor& x, Device on, std::int64_t stride) {
    const Tensor xs = x.to(on), w = weight.to(on), y = ops::conv2d(xs, w, {}, stride, 1);
    const auto g = ops::conv2d_backward(y, xs, w, x.shape(), weight.shape(), stride, 1, {});
    return std::vector{y, g.x, g.weight, g.bias};
  };
  for (const std::int64_t stride : {1, 2, 5}) {
    CAPTURE(stride);
    for (const Shape& shape : {Shape{0, 4, 5, 2}, Shape{2, 31, 33, 2}})
      check_equal(run(random("x", shape), device, stride), run(random("x", shape), {}, stride), 1e-12);
  }
}

TEST_CASE("resize on a device: tables of many sizes") {
  const Tensor x = random("x", {1, 2, 3, 1}).to(device);
  for (std::int64_t width = 1; width <= 300; ++width) {
    const Tensor y = ops::resize(x, ops::to_size(1, width));
    CHECK(y.shape() == Shape{1, 1, width, 1});
  }
  const ops::ResizeOptions options = ops::to_size(5, 4, ops::Interpolation::bicubic);
  check_equal({ops::resize(x, options)}, {ops::resize(x.to(Device{}), options)}, 1e-14);
}

TEST_CASE("window sums on a device: the CPU's bits") {
  const Tensor a = random("a", {5, 40, 3}, DType::f32), b = random("b", {2, 5, 3}, DType::f32);
  const auto run = [&](Device d) {
    Tensor sum = Tensor::zeros({5, 47, 3}, DType::f32, d), counts = Tensor::full({5, 47}, 3, DType::i64);
    ops::add_window(sum, a.to(d), 0, 7);
    ops::add_window(sum, b.to(d), 3, 12);
    ops::divide_by_counts(sum, counts.to(d));
    return sum.to_doubles();
  };
  CHECK(run(device) == run({}));
}

TEST_CASE("ops say when their inputs are on two devices") {
  const Tensor x = random("x", {1, 2, 3, 4}), w = random("w", {1, 1, 1, 4}).to(device);
  CHECK_THROWS_WITH_AS(ops::conv2d(x, w, {}, 1, 0),
                       "[conv2d] x, weight and bias must be on one device, got cpu and cuda:0", std::invalid_argument);
  const Tensor q = random("q", {1, 2, 4});
  CHECK_THROWS_WITH_AS(ops::attention(rows_of(q), rows_of(q.to(device)), rows_of(q), {}),
                       "[attention] q, k, v, blocked and the tables of relative positions must be on one device, got "
                       "cpu, cuda:0 and cpu",
                       std::invalid_argument);
}

}  // namespace
