// Every case of a module or model on the device against the CPU (the emulated device in a build's tests): what a module
// makes on the host must find its way to where its inputs are. Single ops: tests/ops/cuda/cuda_test.cpp.
#include <doctest/doctest.h>

#include "autograd/cases/case.h"
#include "tensor/device_info.h"

using namespace rein;
using namespace rein::testing;

TEST_CASE("every module's case gives on the device what it gives on the CPU, in f64") {
  if (!built_with_cuda()) return;
  int ran = 0;
  for (const OpCase& c : all_cases()) {
    if (c.bench_only || c.level == "op") continue;
    CAPTURE(c.op);
    CAPTURE(c.label);
    const Comparison result = check_device(c, DType::f64, {Device::Kind::cuda, 0});
    CHECK_MESSAGE(result.ok, "error ", result.error, " ", result.text);
    ++ran;
  }
  CHECK(ran > 20);
}
