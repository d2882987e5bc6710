// Runs every registered case through the drivers. One failing case does not hide the next.
#include <doctest/doctest.h>

#include "autograd/cases/case.h"

using namespace rein;
using namespace rein::testing;

TEST_CASE("every case has the value of its plain f64 reference, in f64 and f32") {
  for (const OpCase& c : all_cases()) {
    if (c.bench_only || !c.reference) continue;
    for (const DType dtype : {DType::f64, DType::f32}) {
      CAPTURE(c.op);
      CAPTURE(c.label);
      CAPTURE(std::string(name_of(dtype)));
      const Comparison result = check_value(c, dtype);
      CHECK_MESSAGE(result.ok, "error ", result.error, " ", result.text);
    }
  }
}

TEST_CASE("every case passes gradcheck in f64") {
  for (const OpCase& c : all_cases()) {
    if (c.bench_only || !c.check_gradient) continue;
    CAPTURE(c.op);
    CAPTURE(c.label);
    const GradcheckReport report = check_gradient(c);
    CHECK_MESSAGE(report.problem.empty(), report.problem);
    for (const GradcheckRow& row : report.rows) {
      CHECK_MESSAGE(row.ok, row.input, " ", row.where, ": analytic ", row.analytic, " numeric ", row.numeric, " error ",
                    row.error, " ", row.note);
    }
  }
}

TEST_CASE("gradients in f32 agree with those in f64") {
  for (const OpCase& c : all_cases()) {
    if (c.bench_only || !c.check_gradient) continue;
    CAPTURE(c.op);
    CAPTURE(c.label);
    const Comparison result = check_f32_gradient(c);
    CHECK_MESSAGE(result.ok, "error ", result.error, " ", result.text);
  }
}
