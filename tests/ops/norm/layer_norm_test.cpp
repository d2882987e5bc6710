#include <doctest/doctest.h>

#include "autograd/cases/case.h"
#include "autograd/ops/norm/norm.h"
#include "tensor/cpu_features.h"
#include "tensor/ops/norm/layer_norm.h"
#include "tensor/parallel.h"
#include "tests/ops/keep_isa.h"

namespace {

using namespace rein;
using namespace rein::testing;

TEST_CASE("layer_norm of a large mean keeps its variance: centred, not E[x^2] - E[x]^2") {
  Tensor x = random_normal(RandomKey(3), {1, 1024}, 1000, 1, DType::f32);
  const auto out = ops::layer_norm(x, Tensor::full({1024}, 1, DType::f32), Tensor::zeros({1024}, DType::f32), 0);
  CHECK(1 / out.rstd.item() == doctest::Approx(1.0).epsilon(0.1));
}

TEST_CASE("layer_norm names the shapes it got") {
  const Tensor x = Tensor::zeros({2, 1370, 768}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::layer_norm(x, Tensor::zeros({1024}, DType::f32), Tensor::zeros({768}, DType::f32), 1e-6),
                       "[layer_norm] weight must have shape (768), got (1024); x is (2, 1370, 768)",
                       std::invalid_argument);
}

TEST_CASE("layer_norm_backward adds to a gradient that is there, and to nothing else") {
  const Tensor x = random_normal(RandomKey(4), {5, 33}, 0, 1), g = random_normal(RandomKey(5), {5, 33}, 0, 1);
  const Tensor w = random_normal(RandomKey(6), {33}, 0, 1);
  const auto out = ops::layer_norm(x, w, w, 1e-6);
  const auto plain = ops::layer_norm_backward(g, x, w, out.mean, out.rstd, {});
  const Tensor there = random_normal(RandomKey(7), {5, 33}, 0, 1), before = there.clone();
  const auto added = ops::layer_norm_backward(g, x, w, out.mean, out.rstd, {}, there);
  CHECK(added.x.raw() == there.raw());
  for (std::int64_t i = 0; i < x.count(); ++i)
    CHECK(added.x.at(i) == static_cast<double>(before.data<float>()[i] + plain.x.data<float>()[i]));
  CHECK(added.weight.to_doubles() == plain.weight.to_doubles());
  CHECK(added.bias.to_doubles() == plain.bias.to_doubles());
  CHECK_THROWS_WITH_AS(ops::layer_norm_backward(g, x, w, out.mean, out.rstd, {}, Tensor::zeros({5, 32}, DType::f32)),
                       doctest::Contains("add_to must be like x (5, 33) f32"), std::invalid_argument);
  CHECK_THROWS_AS(ops::layer_norm_backward(g, x, w, out.mean, out.rstd, {.x = false}, there), std::invalid_argument);
}

TEST_CASE("layer_norm gives the same bits for any number of threads, and takes no rows") {
  const Tensor x = random_normal(RandomKey(4), {517, 321}, 0, 1);
  const Tensor w = random_normal(RandomKey(5), {321}, 0, 1), b = random_normal(RandomKey(6), {321}, 0, 1);
  const int before = thread_count();
  std::vector<double> first;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const auto out = ops::layer_norm(x, w, b, 1e-6);
    const auto grads = ops::layer_norm_backward(x, x, w, out.mean, out.rstd, {});
    auto bits = grads.weight.to_doubles();
    for (const double v : grads.x.to_doubles()) bits.push_back(v);
    if (first.empty()) first = bits;
    CHECK(bits == first);
  }
  set_thread_count(before);
  CHECK(ops::layer_norm(Tensor::zeros({0, 321}, DType::f32), w, b, 1e-6).y.count() == 0);
}

TEST_CASE("layer_norm agrees on every instruction set") {
  const KeepIsa keep;
  for (const std::string& isa : available_isas()) {
    force_isa(isa);
    for (const OpCase& c : cases_of("layer_norm")) {
      if (c.bench_only) continue;
      CAPTURE(isa);
      CHECK(check_value(c, DType::f32).ok);
      CHECK(check_f32_gradient(c).ok);
    }
  }
}

}  // namespace
