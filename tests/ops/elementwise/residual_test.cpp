#include "tensor/ops/elementwise/residual.h"

#include <doctest/doctest.h>

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/record.h"
#include "tensor/error.h"
#include "tests/ops/same_bits.h"

using namespace rein;
using namespace rein::testing;

namespace {

// x + gamma * y from row `first` of each (L, C) matrix on; gamma of C elements, one, or none.
Tensor residual_loops(const Tensor& x, const Tensor& y, const Tensor& gamma, std::int64_t first = 0) {
  Tensor out = Tensor::empty_like(x);
  const std::int64_t cols = x.size(-1), length = x.rank() >= 2 ? x.size(-2) : 1;
  for (std::int64_t i = 0; i < x.count(); ++i) {
    const double factor = i / cols % length < first ? 0 : gamma ? gamma.at(i % gamma.count()) : 1;
    out.mutable_data<double>()[i] = x.at(i) + factor * y.at(i);
  }
  return out;
}

const Cases cases("residual", [](CaseList& list) {
  for (const Shape& shape : {Shape{1, 1}, Shape{3, 31}, Shape{2, 5, 32}, Shape{2, 2, 3, 33}}) {
    list.add({.label = shape.text(),
              .inputs = {normal("x", shape), normal("y", shape), uniform("gamma", {shape[-1]}, 0.5, 1.5)},
              .run = [](Vars v) { return Outs{residual(v[0], v[1], v[2])}; },
              .reference = [](Refs t) { return std::vector{residual_loops(t[0], t[1], t[2])}; },
              .f32_tolerance = 2e-7,
              .f32_grad_tolerance = 1e-6,
              .why = "one fused multiply-add; sums of up to 12 terms"});
  }
  list.add({.label = "no gamma",
            .inputs = {normal("x", {2, 3, 5}), normal("y", {2, 3, 5})},
            .run = [](Vars v) { return Outs{residual(v[0], v[1])}; },
            .reference = [](Refs t) { return std::vector{residual_loops(t[0], t[1], {})}; },
            .f32_tolerance = 2e-7,
            .f32_grad_tolerance = 1e-6,
            .why = "one addition"});
  list.add({.label = "frozen gamma and x",
            .inputs = {frozen(normal("x", {2, 3, 5})), normal("y", {2, 3, 5}), frozen(normal("gamma", {5}))},
            .run = [](Vars v) { return Outs{residual(v[0], v[1], v[2])}; },
            .reference = [](Refs t) { return std::vector{residual_loops(t[0], t[1], t[2])}; },
            .f32_tolerance = 2e-7,
            .f32_grad_tolerance = 1e-6,
            .why = "one fused multiply-add"});
  for (const std::int64_t first : {0, 1, 3, 7}) {
    for (const Shape& shape : {Shape{1, 7, 1}, Shape{2, 7, 5}}) {
      const bool all = first == 7;  // no row is left: y and scale are reached by zeros
      const auto zero_if_all = [&](CaseInput input) { return all ? zero_gradient(std::move(input)) : input; };
      list.add(
          {.label = concat_text("scaled ", shape, " from row ", first),
           .inputs = {normal("x", shape), zero_if_all(normal("y", shape)), zero_if_all(uniform("scale", {}, 0.5, 1.5))},
           .run = [first](Vars v) { return Outs{scaled_residual(v[0], v[1], v[2], first)}; },
           .reference = [first](Refs t) { return std::vector{residual_loops(t[0], t[1], t[2], first)}; },
           .f32_tolerance = 2e-7,
           .f32_grad_tolerance = 2e-6,
           .why = "one fused multiply-add; a sum of up to 70 terms that may cancel"});
    }
  }
  list.add({.label = "scaled, no scale",
            .inputs = {normal("x", {2, 4, 3}), normal("y", {2, 4, 3})},
            .run = [](Vars v) { return Outs{scaled_residual(v[0], v[1], {}, 1)}; },
            .reference = [](Refs t) { return std::vector{residual_loops(t[0], t[1], {}, 1)}; },
            .f32_tolerance = 2e-7,
            .f32_grad_tolerance = 1e-6,
            .why = "one addition"});
  for (const Shape& shape : {Shape{1025, 1024}, Shape{4, 1025, 1024}})
    list.add({.label = shape.text(),
              .inputs = {normal("x", shape), normal("y", shape), normal("gamma", {1024})},
              .run = [](Vars v) { return Outs{residual(v[0], v[1], v[2])}; },
              .bench_only = true,
              .bytes = 12.0 * static_cast<double>(shape.count())});
});

TEST_CASE("residual agrees on every instruction set") {
  check_every_isa("residual");
}

TEST_CASE("residual gives the same bits for any number of threads") {
  const Tensor x = random_normal(RandomKey(1), {2, 301, 129}, 0, 1),
               y = random_normal(RandomKey(2), {2, 301, 129}, 0, 1);
  const Tensor gamma = random_normal(RandomKey(3), {129}, 0, 1), scale = Tensor::scalar(0.3);
  check_same_bits_for_any_threads([&] {
    const auto a = ops::residual_backward(x, y, gamma, {});
    const auto b = ops::scaled_residual_backward(x, y, scale, 1, {});
    return std::vector{ops::residual(x, y, gamma), ops::scaled_residual(x, y, scale, 1), a.y, a.gamma, b.y, b.scale};
  });
}

TEST_CASE("residual keeps y only for a trained gamma or scale") {
  const Variable x = parameter(Tensor::zeros({1, 2, 3}, DType::f32)),
                 y = parameter(Tensor::zeros({1, 2, 3}, DType::f32));
  const Variable gamma = constant(Tensor::full({3}, 2, DType::f32)), s = constant(Tensor::scalar(2));
  for (const Variable& out : {residual(x, y), residual(x, y, gamma), scaled_residual(x, y, s, 1)})
    for (const SavedBytes& saved : out.impl()->node->saved_bytes) CHECK(saved.storage != y.value().storage().get());
}

TEST_CASE("residual takes no rows, and names what it got") {
  const Tensor none = Tensor::zeros({0, 3, 4}, DType::f32), x = Tensor::zeros({2, 3, 4}, DType::f32);
  CHECK(ops::residual(none, none, {}).count() == 0);
  CHECK(ops::scaled_residual(none, none, {}, 1).count() == 0);
  CHECK(ops::scaled_residual_backward(none, none, Tensor::scalar(1), 0, {}).scale.item() == 0);
  CHECK_THROWS_WITH_AS(ops::residual(x, x, Tensor::zeros({3}, DType::f32)),
                       "[residual] gamma must have shape (4) and x's dtype, got (3) f32; x is (2, 3, 4)",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::scaled_residual(x, x, {}, 4),
                       "[scaled_residual] first_row must be in [0, 3], got 4; x is (2, 3, 4)", std::invalid_argument);
  CHECK_THROWS_AS(ops::residual(x, Tensor::zeros({2, 3, 5}, DType::f32), {}), std::invalid_argument);
  CHECK_THROWS_AS(ops::scaled_residual(x, x, Tensor::zeros({1}, DType::f32), 0), std::invalid_argument);
}

}  // namespace
