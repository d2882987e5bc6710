// What a real training step asks of a GPU, counted without one: the emulated device checks and counts kernels but runs
// none (REIN_EMULATED_KERNELS=off), so a ViT-L takes seconds and its memory is bookkeeping alone.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string_view>

#include "tensor/cuda/runtime.h"
#include "train/bench/bench_step.h"

using namespace rein;
using namespace rein::train;

namespace {

BenchStep step_of(bool recompute) {
  cuda::empty_cache(0);
  BenchStepOptions options;
  options.vit = "l";
  options.layer_scale = true;
  options.head = "mask2former";
  options.precision = "bf16";
  options.batch = 4;
  options.recompute = recompute;
  options.steps = 1;
  options.device = {Device::Kind::cuda, 0};
  return bench_step(options);
}

// Beside tensors: the workspace of matrix products on a GPU.
constexpr double gigabyte = 1e9, workspace = 32 << 20;

TEST_CASE("a step of ViT-L, Rein and Mask2Former, 4 crops of 512 x 512 in bf16: at most 8 GB, 5 GB with recompute") {
  const char* const setting = std::getenv("REIN_EMULATED_KERNELS");  // by CTest
  REQUIRE_MESSAGE((setting != nullptr && std::string_view(setting) == "off"), "set REIN_EMULATED_KERNELS=off");
  for (const bool recompute : {false, true}) {
    CAPTURE(recompute);
    const BenchStep b = step_of(recompute);
    const double limit = (recompute ? 5 : 8) * gigabyte;
    MESSAGE("tensors ", b.tensor_peak_bytes / gigabyte, " GB, taken from the device ", b.reserved_bytes / gigabyte,
            " GB");
    CHECK(b.tensor_peak_bytes > gigabyte);  // the frozen weights alone are 0.6
    CHECK(b.reserved_bytes + workspace <= limit);
    CHECK(b.waits == 0);
    std::uint64_t kernels = 0;
    for (const auto& [name, count] : b.launches) kernels += count;
    MESSAGE(kernels, " kernels, given in ", b.giving, " s");
    // Each takes the host some microseconds: a step that asks for many more is no faster on a faster GPU.
    CHECK(kernels > 1000);
    CHECK(kernels <= 4500);
  }
}

}  // namespace
