// What programs ask of a device beside its memory.
#pragma once

#include <cstdint>
#include <string>

#include "tensor/device.h"

namespace rein {

std::string device_name(Device device);  // "NVIDIA H100 80GB HBM3"; "cpu" for the CPU

// Waits until all work given to the device is done; at once for the CPU.
void synchronize(Device device);

// How often the host has waited for devices so far (cuda::host_waits); 0 for the CPU.
std::uint64_t host_waits(Device device);

}  // namespace rein
