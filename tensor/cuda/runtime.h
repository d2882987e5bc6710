// The device side of memory: what Storage and Tensor ask of CUDA. No CUDA header is needed to include this.
// One thread drives a device. All work goes to that thread's own stream, in order, so a block that is freed may be
// handed out again at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tensor/memory.h"

namespace rein::cuda {

struct DeviceInfo {
  std::string name;          // "NVIDIA H100 80GB HBM3"
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  std::size_t memory = 0;  // bytes
};

std::vector<DeviceInfo> devices();  // empty without a driver or a device
std::string architectures();        // what this build holds: "80, 90a, PTX 80", or "emulated"
bool is_emulated();                 // kernels run on the CPU, one thread after the other: for tests only

// A block of at least `bytes`, 512-byte aligned, from the cache of `index`. Throws std::runtime_error with the figures
// when the device has none left even after the cache was emptied.
void* allocate(std::size_t bytes, int index);
void release(void* block, int index) noexcept;
void empty_cache(int index);            // gives unused segments back to the device
MemoryStats memory_stats(int index);    // of live blocks
std::size_t reserved_bytes(int index);  // taken from the device, cached blocks included
void reset_peak_memory(int index);

// Ordered after all work given to the device before. to_host waits until the bytes are there; to_device returns when
// the source may be overwritten, which is at once while there is pinned memory (512 MiB): the bytes go by way of it.
void to_device(void* device, const void* host, std::size_t bytes, int index);
void to_host(void* host, const void* device, std::size_t bytes, int index);
void on_device(void* to, const void* from, std::size_t bytes, int index);
void fill_bytes(void* block, int byte, std::size_t bytes, int index);
void synchronize(int index);

// How often the host has waited for a device, of all threads: copies to the host, synchronize, events that had not
// passed. Giving a training step in its steady state adds nothing to it; reading the numbers of the step before waits
// where the device is the slower one.
std::uint64_t host_waits();

// Kernels that the calling thread has given to devices so far, by name; a product of cuBLASLt counts as one.
std::map<std::string, std::uint64_t> launches();

}  // namespace rein::cuda
