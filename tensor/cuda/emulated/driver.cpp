// The emulated device: one, whose memory is ours. Linked into tests instead of driver_cuda.cu.
#include <cstring>

#include "tensor/cuda/driver.h"
#include "tensor/cuda/emulated/device_access.h"

namespace rein::cuda::driver {

using emulated::DeviceAccess;

std::vector<DeviceInfo> devices() {
  return {{"emulated on the CPU", 8, 0, 1, std::size_t{8} << 30}};
}
std::string architectures() {
  return "emulated";
}
bool is_emulated() {
  return true;
}
void* allocate(std::size_t bytes, int) {
  return emulated::take_memory(bytes);
}
void free(void* segment, int) noexcept {
  emulated::give_memory(segment);
}
void copy(void* to, const void* from, std::size_t bytes, Copy, int) {
  const DeviceAccess access;
  std::memmove(to, from, bytes);
}
void fill_bytes(void* block, int byte, std::size_t bytes, int) {
  const DeviceAccess access;
  std::memset(block, byte, bytes);
}
void synchronize(int) {}

}  // namespace rein::cuda::driver

namespace rein::cuda {
int current_device() {
  return 0;
}
}  // namespace rein::cuda
