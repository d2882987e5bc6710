// The kept reference cases on the device, which is the emulated one in a build's tests (tensor/cuda/README.md): whole
// modules, so that nothing between the kernels reads a device's memory on the host. A GPU runs all cases by
// rein verify --device cuda (scripts/gpu_check.sh).
#include <doctest/doctest.h>

#include <cstdlib>

#include "train/verify/verify.h"

namespace {

using namespace rein;
using namespace rein::train;

TEST_CASE("the kept reference cases hold on the device") {
  const char* only = std::getenv("REIN_CUDA_KINDS");  // one kind alone
  VerifyOptions options{.kinds = {}, .dtypes = {DType::f64, DType::f32}, .device = {Device::Kind::cuda, 0}};
  for (const std::string& kind : verify_kinds())
    if (only == nullptr || kind == only) options.kinds.push_back(kind);
  REQUIRE(!options.kinds.empty());
  const VerifySummary summary = verify({"tests/golden"}, options, [](const VerifyResult& result) {
    INFO(result.text());
    CHECK(result.status == VerifyResult::Status::passed);
  });
  MESSAGE(summary.text());
  CHECK(summary.ok());
}

}  // namespace
