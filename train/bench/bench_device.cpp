#include "train/bench/bench_device.h"

#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"
#include "tensor/ops/levels/attention_levels.h"
#include "tensor/ops/matmul/gemm.h"
#include "tensor/ops/matmul/gemm_bf16.h"
#include "tensor/random.h"

namespace rein::train {
namespace {

Tensor numbers(const Shape& shape, std::uint64_t seed, DType dtype, Device device) {
  return ops::cast(random_uniform(RandomKey(seed), shape, -1, 1, DType::f32), dtype).to(device);
}

double cubed(std::int64_t n) {
  return 2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
}

}  // namespace

double device_copy_gbytes(Device device) {
  const Tensor from = Tensor::zeros({std::int64_t{1} << 28}, DType::f32, device);
  Tensor to = Tensor::zeros_like(from);
  const Timing timing = time_device_runs(
      device, [&](int) { to.copy_from(from); }, 5, 0.1);
  return 2 * static_cast<double>(from.bytes()) / timing.median / 1e9;
}

double device_f32_gflops(Device device) {
  constexpr std::int64_t n = 4096;
  const Tensor a = numbers({n, n}, 1, DType::f32, device), b = numbers({n, n}, 2, DType::f32, device);
  const Timing timing = time_device_runs(
      device, [&](int) { ops::matmul(a, b, false, true); }, 5, 0.1);
  return cubed(n) / timing.median / 1e9;
}

double device_bf16_gflops(Device device) {
  constexpr std::int64_t n = 8192;
  const Tensor a = numbers({n, n}, 1, DType::bf16, device), b = numbers({n, n}, 2, DType::bf16, device);
  const Tensor c = Tensor::empty({n, n}, DType::f32, device);
  const Timing timing = time_device_runs(
      device, [&](int) { ops::gemm_bf16(rows_of(a), false, rows_of(b), true, rows_of(c)); }, 5, 0.1);
  return cubed(n) / timing.median / 1e9;
}

void bench_levels(Device device, double min_seconds, const std::function<void(const BenchLevel&)>& report) {
  require(device.is_cuda(), "bench", "levels run on a GPU: --device cuda");
  constexpr std::int64_t heads = 64, length = 1025, width = ops::attention_level_width;
  const Shape shape{heads, length, width};
  const auto levels = ops::attention_levels();
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const DType dtype = levels[i].operands;
    const Tensor q = numbers(shape, 1, dtype, device), k = numbers(shape, 2, dtype, device);
    const Tensor v = numbers(shape, 3, dtype, device);
    const Timing time = time_device_runs(
        device, [&](int) { ops::attention_level(i, q, k, v); }, 5, min_seconds);
    report({levels[i].name, levels[i].lesson, time, 4.0 * heads * length * length * width});
  }
}

}  // namespace rein::train
