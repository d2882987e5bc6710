#include "tensor/device.h"

#include <charconv>

#include "tensor/cuda/door.h"
#include "tensor/device_info.h"
#include "tensor/error.h"

namespace rein {

std::string Device::text() const {
  return is_cpu() ? "cpu" : "cuda:" + std::to_string(index);
}

std::string device_name(Device device) {
  if constexpr (cuda::built) {
    if (device.is_cuda()) return cuda::devices().at(static_cast<std::size_t>(device.index)).name;
  }
  return device.text();
}

void synchronize(Device device) {
  if constexpr (cuda::built) {
    if (device.is_cuda()) cuda::synchronize(device.index);
  }
}

std::uint64_t host_waits(Device device) {
  if constexpr (cuda::built) {
    if (device.is_cuda()) return cuda::host_waits();
  }
  return 0;
}

std::map<std::string, std::uint64_t> launches(Device device) {
  if constexpr (cuda::built) {
    if (device.is_cuda()) return cuda::launches();
  }
  return {};
}

std::size_t reserved_bytes(Device device) {
  if constexpr (cuda::built) {
    if (device.is_cuda()) return cuda::reserved_bytes(device.index);
  }
  return 0;
}

Device parse_device(const std::string& text) {
  if (text == "cpu") return {};
  Device device{Device::Kind::cuda, 0};
  bool good = text == "cuda";
  if (text.starts_with("cuda:") && text.size() > 5) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + 5, end, device.index);
    good = error == std::errc{} && stop == end && device.index >= 0;
  }
  require(good, "device", "must be 'cpu', 'cuda' or 'cuda:N', got '", text, "'");
  if constexpr (cuda::built) {
    const auto count = static_cast<int>(cuda::devices().size());
    if (device.index >= count)
      fail_runtime("device", "'", text, "' is not available: ", count, " CUDA devices were found; use 'cpu'");
  } else {
    fail_runtime("device", "this build has no CUDA backend; configure with -DREIN_CUDA=ON, or use 'cpu' instead of '",
                 text, "'");
  }
  return device;
}

bool built_with_cuda() {
  return cuda::built;
}

std::string cuda_text() {
  if constexpr (!cuda::built) {
    return "no (configure with -DREIN_CUDA=ON)";
  } else {
    std::string text = "built for " + cuda::architectures() + "; ";
    const std::vector<cuda::DeviceInfo> found = cuda::devices();
    if (found.empty()) return text + "no device found";
    for (std::size_t i = 0; i < found.size(); ++i) {
      const cuda::DeviceInfo& d = found[i];
      text += concat_text(i > 0 ? ", " : "", "cuda:", i, " ", d.name, " (", d.major, ".", d.minor, ", ", d.memory >> 20,
                          " MiB)");
    }
    return text;
  }
}

}  // namespace rein
