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
std::size_t arena_size();  // of address space; pages come when they are touched

// REIN_EMULATED_KERNELS=off: kernels are checked and counted but not run, copies move nothing, and the device's memory
// reads as zeros and costs nothing. So a step of any size shows its memory, its launches and the host's time for it.
bool runs_kernels();

}  // namespace rein::cuda::emulated
