#include "train/run/timing.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tensor/device_info.h"
#include "tensor/parallel.h"
#include "tensor/tensor.h"

namespace rein::train {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Timing time_runs(const std::function<void()>& body, int runs, double min_seconds) {
  body();
  std::vector<double> seconds;
  const double start = now_seconds();
  while (static_cast<int>(seconds.size()) < runs || (now_seconds() - start < min_seconds && seconds.size() < 1000)) {
    const double before = now_seconds();
    body();
    seconds.push_back(now_seconds() - before);
  }
  std::ranges::sort(seconds);
  return {seconds[seconds.size() / 2], seconds.front(), seconds.back(), static_cast<int>(seconds.size())};
}

Timing time_device_runs(Device device, const std::function<void(int)>& body, int runs, double min_seconds) {
  int number = 0;
  const auto queue = [&](int length) {
    for (int i = 0; i < length; ++i) body(number++);
    synchronize(device);
  };
  int length = 1;
  if (device.is_cuda()) {
    queue(2);  // the first run may load code and choose algorithms
    const double start = now_seconds();
    queue(4);
    length = static_cast<int>(std::clamp(8e-3 / std::max(now_seconds() - start, 1e-6), 1.0, 200.0));
  }
  Timing timing = time_runs([&] { queue(length); }, runs, min_seconds);
  for (double* seconds : {&timing.median, &timing.fastest, &timing.slowest}) *seconds /= length;
  return timing;
}

ProcessMemory process_memory() {
  ProcessMemory memory;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    const auto kib = [&] { return std::stod(line.substr(line.find(':') + 1)) * 1024; };
    if (line.starts_with("VmHWM:")) memory.peak = kib();
    if (line.starts_with("VmRSS:")) memory.resident = kib();
  }
  return memory;
}

void reset_process_peak() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

double measure_copy_gbytes() {
  const std::int64_t count = std::int64_t{64} << 20;
  const Tensor from = Tensor::zeros({count}, DType::f32);
  Tensor to = Tensor::zeros({count}, DType::f32);
  const auto* source = from.data<float>();
  auto* target = to.mutable_data<float>();
  const Timing t = time_runs(
      [&] {
        parallel_ranges(count, 1 << 18, [&](std::int64_t begin, std::int64_t end) {
          std::memcpy(target + begin, source + begin, static_cast<std::size_t>(end - begin) * sizeof(float));
        });
      },
      5, 0.1);
  return 2.0 * static_cast<double>(from.bytes()) / t.fastest / 1e9;
}

}  // namespace rein::train
