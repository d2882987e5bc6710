#include <doctest/doctest.h>

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/norm/norm.h"
#include "autograd/recompute.h"
#include "autograd/record.h"
#include "autograd/variable.h"
#include "tensor/random.h"

namespace {

using namespace rein;

// y = factor * x, counting how often its VJP runs.
int vjp_calls = 0;
struct TimesSaved {
  SavedTensor x;
  double factor;
};
Tensor times(const Tensor& x, double factor) {
  Tensor y = Tensor::empty_like(x);
  for (std::int64_t i = 0; i < x.count(); ++i) y.mutable_data<double>()[i] = factor * x.data<double>()[i];
  return y;
}
void times_vjp(const TimesSaved& s, GradContext& g) {
  ++vjp_calls;
  s.x.get();
  g.set(0, times(g.out(), s.factor));
}
Variable times(const Variable& x, double factor) {
  return record(
      "times", {x}, times(x.value(), factor),
      [&](Saver& save) {
        return TimesSaved{save(x.value()), factor};
      },
      times_vjp);
}

// Two outputs: 2x and 3x.
struct ForkSaved {
  bool second_used_must_be = true;
};
void fork_vjp(const ForkSaved& s, GradContext& g) {
  CHECK(static_cast<bool>(g.out(1)) == s.second_used_must_be);
  Tensor sum = times(g.out(0), 2);
  if (g.out(1)) {
    for (std::int64_t i = 0; i < sum.count(); ++i) sum.mutable_data<double>()[i] += 3 * g.out(1).at(i);
  }
  g.set(0, sum);
}
std::vector<Variable> fork(const Variable& x, bool second_used) {
  return record_many(
      "fork", {x}, {times(x.value(), 2), times(x.value(), 3)}, [&](Saver&) { return ForkSaved{second_used}; },
      fork_vjp);
}

Variable leaf(double v) {
  return parameter(Tensor::scalar(v, DType::f64));
}

TEST_CASE("gradients of a leaf used twice add up, and accumulate over calls until cleared") {
  Variable x = leaf(5);
  const Variable a = times(x, 2), b = times(a, 3), c = times(a, 7);
  const std::vector<Variable> roots{b, c};
  const std::vector<Tensor> ones{Tensor::scalar(1, DType::f64), Tensor::scalar(1, DType::f64)};
  vjp_calls = 0;
  backward(roots, ones);
  CHECK(x.grad().item() == 20);
  CHECK(vjp_calls == 3);  // `a` runs once, after both of its users
  backward(times(x, 4));
  CHECK(x.grad().item() == 24);
  x.clear_grad();
  CHECK_FALSE(x.grad());
}

TEST_CASE("an unused output has a null gradient") {
  Variable x = leaf(1);
  backward(fork(x, false)[0]);
  CHECK(x.grad().item() == 2);
  auto outs = fork(x, true);
  backward(outs, std::vector<Tensor>{Tensor::scalar(1, DType::f64), Tensor::scalar(10, DType::f64)});
  CHECK(x.grad().item() == 34);
}

TEST_CASE("nothing is recorded without a trainable input or under NoGrad") {
  const Variable c = constant(Tensor::scalar(1, DType::f64));
  CHECK_FALSE(times(c, 2).requires_grad());
  Variable x = leaf(1);
  {
    const NoGrad off;
    CHECK_FALSE(times(x, 2).requires_grad());
  }
  CHECK(times(x, 2).requires_grad());
  CHECK_THROWS_AS(backward(times(c, 2)), std::invalid_argument);
}

TEST_CASE("a second backward through a freed graph, and a changed saved value, are clear errors") {
  Variable x = leaf(1);
  const Variable y = times(x, 2);
  backward(y);
  CHECK_THROWS_WITH_AS(backward(y), "[times] backward through a graph that an earlier backward already freed",
                       std::invalid_argument);
  const Variable z = times(x, 2);
  x.mutable_value().fill(3);
  CHECK_THROWS_AS(backward(z), std::invalid_argument);
}

TEST_CASE("a cotangent must fit, and a root of several elements needs one") {
  Variable x = parameter(Tensor::zeros({2}, DType::f64));
  CHECK_THROWS_AS(backward(times(x, 2)), std::invalid_argument);
  CHECK_THROWS_AS(backward(times(x, 2), Tensor::zeros({3}, DType::f64)), std::invalid_argument);
}

// y = x, whose VJP adds to what x was sent before where it may.
int taken = 0;
struct AddingSaved {};
void adding_vjp(const AddingSaved&, GradContext& g) {
  Tensor sum = g.take(0);
  if (!sum) return g.set(0, g.out());
  ++taken;
  for (std::int64_t i = 0; i < sum.count(); ++i) sum.mutable_data<double>()[i] += g.out().at(i);
  g.set(0, sum);
}
Variable adding(const Variable& x) {
  return record(
      "adding", {x}, x.value().clone(), [](Saver&) { return AddingSaved{}; }, adding_vjp);
}

TEST_CASE("a VJP takes what its input was sent before, but no leaf's and nothing that others hold") {
  const Tensor one = Tensor::scalar(1, DType::f64);
  const std::vector<Tensor> ones{one, one};
  const auto run = [&](const std::vector<Variable>& roots, const Variable& x) {
    taken = 0;
    backward(roots, std::span(ones).first(roots.size()));
    return x.grad().item();
  };
  const Variable x = leaf(5), h = times(x, 2), first = adding(h), second = times(h, 3);
  CHECK(run({first, second}, x) == 2 * (1 + 3));  // the newest node runs first: 3 is there when `adding` adds 1
  CHECK(taken == 1);
  const Variable y = leaf(5), k = times(y, 2), third = times(k, 3), fourth = adding(k);
  CHECK(run({third, fourth}, y) == 2 * (1 + 3));
  CHECK(taken == 0);  // nothing had been sent yet
  const Variable z = leaf(5), beside = adding(z), twice = times(z, 3);
  CHECK(run({beside, twice}, z) == 1 + 3);
  CHECK(taken == 0);
  const Variable w = leaf(5), m = times(w, 2), last = adding(m);
  CHECK(run({last, m}, w) == 2 * (1 + 1));  // m was sent the cotangent itself
  CHECK(taken == 0);
  CHECK(one.item() == 1);
}

TEST_CASE("a shared gradient buffer is never written to") {
  Variable x = leaf(1), y = leaf(2);
  const Tensor one = Tensor::scalar(1, DType::f64);
  backward(std::vector<Variable>{x, y, x}, std::vector<Tensor>{one, one, one});
  CHECK(x.grad().item() == 2);
  CHECK(y.grad().item() == 1);
  CHECK(one.item() == 1);
}

TEST_CASE("a leaf's gradient is its own: scaling one in place leaves the others alone") {
  Variable x = leaf(1), y = leaf(2);
  const Tensor cotangent = Tensor::scalar(3, DType::f64);
  backward(add(x, y), cotangent);
  x.grad().fill(7);
  CHECK(y.grad().item() == 3);
  CHECK(cotangent.item() == 3);
  backward(y, cotangent);
  y.grad().fill(8);
  CHECK(cotangent.item() == 3);
  CHECK(x.grad().item() == 7);
  CHECK_THROWS_AS(x.set_grad(Tensor::scalar(1, DType::f32)), std::invalid_argument);
}

TEST_CASE("grad() of a computed value is an error, not a null") {
  const Variable x = leaf(2), y = times(x, 3);
  backward(y, Tensor::scalar(1, DType::f64));
  CHECK(x.grad().item() == 3);
  CHECK_THROWS_WITH_AS(y.grad(), doctest::Contains("[variable] grad() of a value that times computed"),
                       std::invalid_argument);
  CHECK_FALSE(static_cast<bool>(y.detach().grad()));
  CHECK_FALSE(static_cast<bool>(Variable{}.grad()));
}

TEST_CASE("a long chain neither recurses nor keeps what it saved") {
  Variable x = leaf(1);
  Variable y = x;
  for (int i = 0; i < 200000; ++i) y = times(y, 1.0);
  backward(y);
  CHECK(x.grad().item() == 1);
  Variable z = x;
  for (int i = 0; i < 200000; ++i) z = times(z, 1.0);  // never run backwards: freed without recursion as well
}

TEST_CASE("recompute gives the same gradients, for inputs and for inner parameters, and saves only its inputs") {
  const Tensor x0 = random_normal(RandomKey(1), {4, 8}, 0, 1, DType::f64);
  const Tensor cotangent = random_normal(RandomKey(2), {4, 8}, 0, 1, DType::f64);
  std::vector<std::vector<double>> grads;
  for (const bool recompute : {false, true}) {
    Variable x = parameter(x0.clone());
    Variable w = parameter(random_normal(RandomKey(3), {8}, 1, 0.3, DType::f64));
    Variable b = parameter(random_normal(RandomKey(4), {8}, 0, 1, DType::f64));
    const auto body = [&](std::span<const Variable> in) {
      return std::vector{layer_norm(layer_norm(in[0], w, b, 0.1), w, b, 0.1)};
    };
    const Variable y = recompute ? rein::recompute(body, {x})[0] : body(std::vector{x})[0];
    if (recompute) CHECK(y.impl()->node->saved_bytes.size() == 1);
    backward(y, cotangent);
    grads.push_back(x.grad().to_doubles());
    for (const Variable& p : {w, b})
      for (const double v : p.grad().to_doubles()) grads.back().push_back(v);
    x = constant(x0);  // only the inner parameters want a gradient
    w.clear_grad();
    backward(rein::recompute(body, {x})[0], cotangent);
    for (std::size_t i = 0; i < 8; ++i)
      CHECK(w.grad().at(static_cast<std::int64_t>(i)) == doctest::Approx(grads.back()[32 + i]));
  }
  CHECK(grads[0] == grads[1]);
}

}  // namespace
