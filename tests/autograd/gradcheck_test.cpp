// The tester is tested: each kind of wrong gradient must be found.
#include <doctest/doctest.h>

#include <cmath>

#include "autograd/gradcheck.h"
#include "autograd/record.h"
#include "tensor/random.h"

namespace {

using namespace rein;

enum class Fault { none, sign, factor, one_element, absent, zero, nan };
Fault fault = Fault::none;

struct CubeSaved {
  SavedTensor x;
};
void cube_vjp(const CubeSaved& s, GradContext& g) {
  if (fault == Fault::absent) return;
  Tensor grad = Tensor::empty_like(g.out());
  double* out = grad.mutable_data<double>();
  for (std::int64_t i = 0; i < grad.count(); ++i) {
    const double x = s.x.get().at(i);
    out[i] = 3 * x * x * g.out().at(i);
    if (fault == Fault::sign) out[i] = -out[i];
    if (fault == Fault::factor) out[i] *= 1.0001;
    if (fault == Fault::one_element && i == 3) out[i] = 0;
    if (fault == Fault::zero) out[i] = 0;
    if (fault == Fault::nan && i == 2) out[i] = NAN;
  }
  g.set(0, grad);
}
std::vector<Variable> cube(std::span<const Variable> v) {
  Tensor y = Tensor::empty_like(v[0].value());
  for (std::int64_t i = 0; i < y.count(); ++i) y.mutable_data<double>()[i] = std::pow(v[0].value().at(i), 3);
  return {record(
      "cube", {v[0]}, y, [&](Saver& save) { return CubeSaved{save(v[0].value())}; }, cube_vjp)};
}

GradcheckInput input() {
  return {"x", random_normal(RandomKey(1), {2, 3}, 1, 0.3, DType::f64)};
}

TEST_CASE("a right gradient passes") {
  fault = Fault::none;
  const auto report = gradcheck(cube, {input()});
  CHECK(report.ok);
  CHECK(report.rows.at(0).error < 1e-8);
}

TEST_CASE("every kind of wrong gradient fails") {
  for (const Fault f : {Fault::sign, Fault::factor, Fault::one_element, Fault::absent, Fault::zero, Fault::nan}) {
    fault = f;
    CAPTURE(static_cast<int>(f));
    CHECK_FALSE(gradcheck(cube, {input()}).ok);
  }
  fault = Fault::none;
}

TEST_CASE("the row shows the derivative that is farthest off, how many are wrong, and the limit") {
  const auto row_of = [](Fault f) {
    fault = f;
    const GradcheckRow row = gradcheck(cube, {input()}).rows.at(0);
    fault = Fault::none;
    CHECK(row.tolerance == GradcheckOptions{}.tolerance);
    CHECK(row.checked >= 8);  // 6 elements, 2 directions, and the Jacobian where these are right
    return row;
  };
  // The sign is wrong everywhere, and where the gradient is largest it shows most, whichever element comes first.
  const GradcheckRow sign = row_of(Fault::sign);
  CHECK(sign.wrong == 8);
  CHECK(sign.analytic == doctest::Approx(-sign.numeric));
  CHECK(sign.error == doctest::Approx(2));
  CHECK(sign.note == "8 of 8 derivatives are wrong, all of them -1 x the numeric ones");
  CHECK(row_of(Fault::factor).note == "8 of 8 derivatives are wrong, all of them 1.0001 x the numeric ones");
  const GradcheckRow one = row_of(Fault::one_element);
  CHECK(one.where == "[1, 0]");
  CHECK(one.analytic == 0);
  CHECK(one.note == "3 of 8 derivatives are wrong");  // it, and both directions
  const GradcheckRow nan = row_of(Fault::nan);
  CHECK(nan.where == "[0, 2]");
  CHECK(std::isnan(nan.analytic));
  CHECK(nan.wrong == 3);
  const GradcheckRow right = row_of(Fault::none);
  CHECK(right.wrong == 0);
  CHECK(right.checked == 8 + 36);
  CHECK(right.note.empty());
}

TEST_CASE("declarations are asserted: expect_zero and unreached fail when they are not so") {
  GradcheckInput declared_zero = input(), declared_unreached = input();
  declared_zero.expect_zero = true;
  declared_unreached.unreached = true;
  CHECK_FALSE(gradcheck(cube, {declared_zero}).ok);
  CHECK_FALSE(gradcheck(cube, {declared_unreached}).ok);
  fault = Fault::absent;
  CHECK(gradcheck(cube, {declared_unreached}).ok);
  fault = Fault::none;
}

TEST_CASE("a function that records nothing fails") {
  const auto report = gradcheck([](std::span<const Variable> v) { return std::vector{v[0].detach()}; }, {input()});
  CHECK_FALSE(report.ok);
  CHECK(report.problem.find("nothing was recorded") != std::string::npos);
}

}  // namespace
