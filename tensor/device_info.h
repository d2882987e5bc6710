// What programs ask of a device beside its memory.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tensor/device.h"

namespace rein {

bool built_with_cuda();  // the CUDA backend is part of this build
// What it was built for, and the devices that are there; "no (…)" without it. For people.
std::string cuda_text();

std::string device_name(Device device);  // "NVIDIA H100 80GB HBM3"; "cpu" for the CPU

// Waits until all work given to the device is done; at once for the CPU.
void synchronize(Device device);

// How often the host has waited for devices so far (cuda::host_waits); 0 for the CPU.
std::uint64_t host_waits(Device device);

// Kernels that this thread has given to devices so far, by name (cuda::launches); empty for the CPU.
std::map<std::string, std::uint64_t> launches(Device device);

// Bytes taken from the device, unused ones of the caching allocator included; 0 for the CPU.
std::size_t reserved_bytes(Device device);

}  // namespace rein
