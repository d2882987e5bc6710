#include "tensor/ops/sampling/ms_deform_attn.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "autograd/cases/case.h"
#include "autograd/cases/sampling/ms_deform_attn_cases.h"
#include "autograd/ops/sampling/ms_deform_attn.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;
using Levels = std::vector<ops::LevelShape>;

struct Data {
  MsDeformSizes s;
  Tensor value, locations, weights, grad_out;
};

Data make_data(const MsDeformSizes& s, DType dtype) {
  return {s, random_normal(RandomKey(1), s.value(), 0, 1, dtype), locations_between_centres(s, RandomKey(2), dtype),
          random_normal(RandomKey(3), s.weights(), 0, 1, dtype),
          random_normal(RandomKey(4), {s.n, s.queries, s.heads * s.width}, 0, 1, dtype)};
}

std::vector<Tensor> forward_and_backward(const Data& d) {
  const auto g = ops::ms_deform_attn_backward(d.grad_out, d.value, d.s.levels, d.locations, d.weights);
  return {ops::ms_deform_attn(d.value, d.s.levels, d.locations, d.weights), g.value, g.locations, g.weights};
}

TEST_CASE("ms_deform_attn agrees on every instruction set") {
  check_every_isa("ms_deform_attn");
  check_every_isa("sampling_locations");
}

TEST_CASE("ms_deform_attn gives the same bits for any number of threads, more than owners of grad_value too") {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const std::int64_t heads : {1, 2, 8})
      check_same_bits_for_any_threads([&] {
        return forward_and_backward(make_data({1, 1100, heads, 5, 2, {{9, 7}, {20, 11}}}, dtype));
      });
}

TEST_CASE("ms_deform_attn gives a gradient the same bits whatever else is wanted") {
  const Data d = make_data({2, 40, 3, 30, 4, {{9, 7}, {4, 5}}}, DType::f32);
  const auto all = ops::ms_deform_attn_backward(d.grad_out, d.value, d.s.levels, d.locations, d.weights);
  const auto only = [&](ops::MsDeformAttnWants wants) {
    return ops::ms_deform_attn_backward(d.grad_out, d.value, d.s.levels, d.locations, d.weights, wants);
  };
  const auto value = only({.value = true, .locations = false, .weights = false});
  CHECK(same_bits(value.value, all.value));
  CHECK(!value.locations);
  CHECK(!value.weights);
  CHECK(same_bits(only({.value = false, .locations = true, .weights = false}).locations, all.locations));
  const auto weights = only({.value = false, .locations = false, .weights = true});
  CHECK(same_bits(weights.weights, all.weights));
  CHECK(!weights.value);
}

TEST_CASE("REIN_KERNEL=ms_deform_attn:reference runs the twin, forward and backward, equal to rounding") {
  const Data d = make_data({1, 50, 2, 7, 3, {{6, 5}, {3, 2}}}, DType::f64);
  const auto fast = forward_and_backward(d);
  setenv("REIN_KERNEL", "ms_deform_attn:reference", 1);
  const auto twin = forward_and_backward(d);
  unsetenv("REIN_KERNEL");
  CHECK(same_bits(twin[0], ops::ms_deform_attn_reference(d.value, d.s.levels, d.locations, d.weights)));
  for (std::size_t i = 0; i < fast.size(); ++i) {
    CAPTURE(i);
    CHECK(!same_bits(fast[i], twin[i]));
    CHECK(compare(fast[i], twin[i], 1e-13).ok);
  }
}

// One head, one channel, one query: the map [1 2; 3 4], a point at pixel coordinates (x, y).
double read(double x, double y) {
  const Tensor map = Tensor::from(std::vector<double>{1, 2, 3, 4}, {1, 4, 1});
  const Tensor at = Tensor::from(std::vector<double>{(x + 0.5) / 2, (y + 0.5) / 2}, {1, 1, 1, 1, 1, 2});
  const Tensor one = Tensor::full({1, 1, 1, 1, 1}, 1, DType::f64);
  const Tensor out = ops::ms_deform_attn(map, {{2, 2}}, at, one);
  const Tensor twin = ops::ms_deform_attn_reference(map, {{2, 2}}, at, one);
  CHECK((compare(out, twin, 1e-15).ok || (twin.at(0) == 0 && out.at(0) == 0)));
  return out.at(0);
}

TEST_CASE("ms_deform_attn at centres, borders and outside: pixels beyond the map are zero") {
  CHECK(read(0, 0) == 1);
  CHECK(read(1, 0) == 2);
  CHECK(read(0, 1) == 3);
  CHECK(read(1, 1) == 4);
  CHECK(read(0.5, 0.5) == 2.5);
  CHECK(read(0.25, 0.75) == 0.75 * (0.25 * 1 + 0.75 * 3) + 0.25 * (0.25 * 2 + 0.75 * 4));
  CHECK(read(-0.5, 0) == 0.5);
  CHECK(read(-0.5, -0.5) == 0.25);
  CHECK(read(1.5, 1) == 2);
  CHECK(read(1.5, 1.5) == 1);
  CHECK(read(1, -0.25) == 1.5);
  for (const double outside : {-1.0, -1.5, 2.0, 2.5, 1e30, -1e30, std::numeric_limits<double>::infinity()}) {
    CHECK(read(outside, 0.5) == 0);
    CHECK(read(0.5, outside) == 0);
  }
}

TEST_CASE("ms_deform_attn carries NaN to who reads it and to no other") {
  Data d = make_data({1, 2, 2, 3, 1, {{2, 2}}}, DType::f32);
  d.locations.fill(0.5);
  d.locations.mutable_data<float>()[0] = std::numeric_limits<float>::quiet_NaN();  // query 0, head 0
  const auto out = forward_and_backward(d);
  for (std::int64_t i = 0; i < 12; ++i) CHECK(std::isnan(out[0].at(i)) == (i < 3));
  CHECK(std::isnan(out[2].at(0)));
  CHECK(std::isnan(out[3].at(0)));
  CHECK(!std::isnan(out[3].at(1)));
  // A NaN pixel that lies beyond the point's cell is not read.
  d.value.mutable_data<float>()[3 * 6] = std::numeric_limits<float>::quiet_NaN();
  d.locations.fill(0.25);  // the centre of pixel (0, 0): its cell has all four pixels, the last with weight 0
  CHECK(std::isnan(ops::ms_deform_attn(d.value, d.s.levels, d.locations, d.weights).at(0)));
  d.locations.fill(0.24);  // left of and above it
  CHECK(!std::isnan(ops::ms_deform_attn(d.value, d.s.levels, d.locations, d.weights).at(0)));
}

TEST_CASE("ms_deform_attn with no query, no image") {
  const MsDeformSizes s{1, 0, 2, 4, 3, {{3, 4}}};
  const Data d = make_data(s, DType::f32);
  const auto out = forward_and_backward(d);
  CHECK(out[0].shape() == Shape{1, 0, 8});
  for (const double v : out[1].to_doubles()) CHECK(v == 0);
  CHECK(forward_and_backward(make_data({0, 3, 2, 4, 3, {{3, 4}}}, DType::f32))[0].count() == 0);
}

TEST_CASE("ms_deform_attn names what it got") {
  const Data d = make_data({1, 2, 2, 4, 3, {{3, 4}, {2, 5}}}, DType::f32);
  const Levels& levels = d.s.levels;
  CHECK_THROWS_WITH_AS(ops::ms_deform_attn(d.value, {{3, 4}, {2, 6}}, d.locations, d.weights),
                       "[ms_deform_attn] the level shapes have 24 tokens in all; value is (1, 22, 8)",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::ms_deform_attn(d.value, {{2, 11}}, d.locations, d.weights),
                       "[ms_deform_attn] 1 level shapes were given; locations is (1, 2, 2, 2, 3, 2)",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::ms_deform_attn(d.value, {{0, 4}, {2, 11}}, d.locations, d.weights),
                       "[ms_deform_attn] a level must have 1 to 16777216 rows and columns, got 0 x 4",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::ms_deform_attn(d.value, levels, d.locations, d.locations),
                       doctest::Contains("weights must have shape (1, 2, 2, 2, 3), got (1, 2, 2, 2, 3, 2)"),
                       std::invalid_argument);
  CHECK_THROWS_AS(ops::ms_deform_attn(d.value.view({22, 8}), levels, d.locations, d.weights), std::invalid_argument);
  CHECK_THROWS_AS(ops::ms_deform_attn(Tensor::zeros({1, 22, 7}, DType::f32), levels, d.locations, d.weights),
                  std::invalid_argument);
  CHECK_THROWS_AS(ops::ms_deform_attn(Tensor::zeros({1, 22, 8}, DType::f64), levels, d.locations, d.weights),
                  std::invalid_argument);
  CHECK_THROWS_AS(ops::ms_deform_attn_backward(d.value, d.value, levels, d.locations, d.weights),
                  std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::sampling_locations(d.locations, d.value, levels),
                       doctest::Contains("reference must have shape (1, 2, 2, 2)"), std::invalid_argument);
}

}  // namespace
