// What runtime.cpp asks of the machine. Two programs' worth of definitions exist: driver_cuda.cu over the CUDA runtime,
// and emulated/driver.cpp, whose "device" is memory that the host may touch inside of kernels and copies only.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tensor/cuda/runtime.h"

namespace rein::cuda::driver {

enum class Copy { to_device, to_host, on_device };

std::vector<DeviceInfo> devices();
std::string architectures();
bool is_emulated();
void* allocate(std::size_t bytes, int index);  // null when there is no memory left
void free(void* segment, int index) noexcept;
void copy(void* to, const void* from, std::size_t bytes, Copy kind, int index);
void fill_bytes(void* block, int byte, std::size_t bytes, int index);
void synchronize(int index);

}  // namespace rein::cuda::driver
