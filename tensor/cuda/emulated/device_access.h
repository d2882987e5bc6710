// Emulation: the "device's" memory may be touched by the host while a DeviceAccess is alive, and never else, as on a
// machine with a GPU: host code that follows a device pointer ends with a segmentation fault instead of a right answer.
#pragma once

#include <cstddef>

namespace rein::cuda::emulated {

class DeviceAccess {
 public:
  DeviceAccess();  // nests
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

void* take_memory(std::size_t bytes);  // null when the arena is used up
void give_memory(void* segment);

}  // namespace rein::cuda::emulated
