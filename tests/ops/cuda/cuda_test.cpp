// Every case on the device against the CPU. In a build's tests the device is the emulated one (tensor/cuda/README.md).
#include <doctest/doctest.h>

#include <cstdlib>
#include <sstream>
#include <string>

#include "autograd/cases/case.h"
#include "tensor/cuda/runtime.h"

using namespace rein;
using namespace rein::testing;

namespace {

// Of two lists "a,b".
bool shares_a_name(const std::string& left, const std::string& right) {
  std::istringstream names(left);
  for (std::string name; std::getline(names, name, ',');)
    if (("," + right + ",").find("," + name + ",") != std::string::npos) return true;
  return false;
}

std::int64_t elements_of(const OpCase& c) {
  std::int64_t count = 0;
  for (const Tensor& t : make_inputs(c)) count += t ? t.count() : 0;
  return count;
}

TEST_CASE("every case gives on the device what it gives on the CPU, in f64 and f32") {
  const char* only = std::getenv("REIN_CUDA_OPS");          // "softmax,gemm": these alone
  const char* largest = std::getenv("REIN_CUDA_ELEMENTS");  // cases of at most so many numbers: for memory checkers
  int ran = 0, passed_over = 0;
  for (const OpCase& c : all_cases()) {
    if (c.bench_only || c.level != "op") continue;
    if (only != nullptr && !shares_a_name(only, c.op)) continue;
    if (largest != nullptr && elements_of(c) > std::stoll(largest)) {
      ++passed_over;
      continue;
    }
    ++ran;
    for (const DType dtype : {DType::f64, DType::f32}) {
      CAPTURE(c.op);
      CAPTURE(c.label);
      CAPTURE(std::string(name_of(dtype)));
      const Comparison result = check_device(c, dtype, Device{Device::Kind::cuda, 0});
      CHECK_MESSAGE(result.ok, "error ", result.error, " ", result.text);
    }
  }
  CHECK(ran > 0);  // a misspelt name must not look like a pass
  if (largest != nullptr) MESSAGE(ran, " cases, ", passed_over, " larger ones passed over");
}

// All of them take a GPU: rein gradcheck --all --device cuda.
TEST_CASE("gradients are checked on the device") {
  for (const std::string op : {"group_norm", "point_sample", "softmax"}) {
    for (const OpCase& c : cases_of(op)) {
      if (c.bench_only || !c.check_gradient) continue;
      CAPTURE(c.op);
      CAPTURE(c.label);
      const GradcheckReport report = check_gradient(c, Device{Device::Kind::cuda, 0});
      CHECK_MESSAGE(report.ok, report.problem);
      for (const GradcheckRow& row : report.rows)
        CHECK_MESSAGE(row.ok, row.input, " ", row.where, ": ", row.analytic, " and ", row.numeric, " ", row.note);
    }
  }
}

}  // namespace
