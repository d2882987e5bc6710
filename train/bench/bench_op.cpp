#include "train/bench/bench_op.h"

#include <unistd.h>

#include <algorithm>

#include "tensor/device_info.h"
#include "tensor/parallel.h"

namespace rein::train {
namespace {

Tensor to_f32(const Tensor& t) {
  if (!t || t.dtype() != DType::f64) return t;
  Tensor out = Tensor::empty(t.shape(), DType::f32);
  const double* from = t.data<double>();
  float* to = out.mutable_data<float>();
  parallel_ranges(t.count(), elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) to[i] = static_cast<float>(from[i]);
  });
  return out;
}

using testing::Outs;
using Leaves = std::vector<Variable>;

// What a run reads should come from memory, as it does in a step, and not from what the run before left in the cache:
// on a device, runs take turns among copies of the inputs that no cache holds together.
constexpr double beyond_caches = 256e6;
constexpr int most_copies = 16;

int copies_for(const std::vector<Tensor>& inputs, Device device) {
  if (device.is_cpu()) return 1;
  double bytes = 1;
  for (const Tensor& t : inputs) bytes += t ? static_cast<double>(t.bytes()) : 0.0;
  return static_cast<int>(std::clamp(beyond_caches / bytes + 1, 1.0, static_cast<double>(most_copies)));
}

std::vector<Leaves> leaves_of(const testing::OpCase& c, std::vector<Tensor> inputs, bool gradients, Device device) {
  for (Tensor& t : inputs) t = t.to(device);
  std::vector<Leaves> copies(static_cast<std::size_t>(copies_for(inputs, device)));
  for (Leaves& leaves : copies) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i]) {
        leaves.emplace_back();
        continue;
      }
      const Tensor value = copies.size() == 1 ? inputs[i] : inputs[i].clone();
      leaves.push_back(gradients && c.inputs[i].differentiable ? parameter(value) : constant(value));
    }
  }
  return copies;
}

// Backward runs once per recorded forward, so on a device several are recorded before the clock starts.
Timing time_backward(const testing::OpCase& c, std::vector<Leaves> copies, double min_seconds, Device device) {
  const std::size_t queue = device.is_cuda() ? 4 : 1;
  std::vector<Tensor> cotangents;
  std::vector<double> seconds;
  std::size_t number = 0;
  const double start = now_seconds();
  while (seconds.size() < 6 || (now_seconds() - start < min_seconds && seconds.size() < 200)) {
    std::vector<std::vector<Variable>> recorded(queue);
    for (std::vector<Variable>& roots : recorded)
      for (const Variable& out : c.run(copies[number++ % copies.size()]))
        if (out.requires_grad()) roots.push_back(out);
    if (cotangents.empty())
      for (std::size_t k = 0; k < recorded[0].size(); ++k)
        cotangents.push_back(random_normal(RandomKey(9).child(k), recorded[0][k].shape(), 0, 1).to(device));
    synchronize(device);
    const double before = now_seconds();
    for (const std::vector<Variable>& roots : recorded) backward(roots, cotangents);
    synchronize(device);
    seconds.push_back((now_seconds() - before) / static_cast<double>(queue));
    for (Leaves& leaves : copies)
      for (Variable& v : leaves) v.clear_grad();
  }
  seconds.erase(seconds.begin());  // the first run warms up
  std::ranges::sort(seconds);
  return {seconds[seconds.size() / 2], seconds.front(), seconds.back(), static_cast<int>(seconds.size())};
}

}  // namespace

double last_level_cache_bytes() {
#ifdef _SC_LEVEL3_CACHE_SIZE
  for (const int level : {_SC_LEVEL4_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE, _SC_LEVEL2_CACHE_SIZE})
    if (const long bytes = ::sysconf(level); bytes > 0) return static_cast<double>(bytes);
#endif
  return 0;
}

void bench_op(const std::string& op, double min_seconds, Device device,
              const std::function<void(const BenchOp&)>& report) {
  const std::vector<testing::OpCase> cases = testing::cases_of(op);
  const bool real = std::ranges::any_of(cases, &testing::OpCase::bench_only);
  for (const testing::OpCase& c : cases) {
    if (real && !c.bench_only) continue;
    BenchOp result{.op = c.op, .label = c.label, .forward = {}, .backward = {}, .flops = c.flops, .bytes = c.bytes};
    double working_set = 0;
    std::vector<Tensor> inputs = testing::make_inputs(c);
    for (Tensor& t : inputs) t = to_f32(t);
    {
      const NoGrad no_grad;
      const std::vector<Leaves> copies = leaves_of(c, inputs, false, device);
      for (const Outs& all : {Outs(copies[0]), c.run(copies[0])})
        for (const Variable& v : all) working_set += v ? static_cast<double>(v.value().bytes()) : 0.0;
      result.forward = time_device_runs(
          device, [&](int i) { c.run(copies[static_cast<std::size_t>(i) % copies.size()]); }, 5, min_seconds);
    }
    result.cached = device.is_cpu() && working_set <= last_level_cache_bytes();
    if (c.check_gradient) result.backward = time_backward(c, leaves_of(c, inputs, true, device), min_seconds, device);
    report(result);
  }
}

}  // namespace rein::train
