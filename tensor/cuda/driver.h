// What runtime.cpp asks of the machine. Two programs' worth of definitions exist: driver_cuda.cu over the CUDA runtime,
// and emulated/driver.cpp, whose "device" is memory that the host may touch inside of kernels and copies only.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tensor/cuda/async.h"
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

// Behind async.h.
void* allocate_pinned(std::size_t bytes);  // null when there is none left
void copy_later(void* to, const void* from, std::size_t bytes, Copy kind, Queue queue, int index);
void* make_event(int index);
void free_event(void* event) noexcept;
void record(void* event, Queue queue, int index);
bool passed(void* event);
void wait(void* event);
void hold(Queue queue, void* event, int index);
void begin_recording(int index);
void* launch_recording(void* graph, int index);  // `graph`, or a new one: the old one stays the caller's
void drop_recording(int index) noexcept;
void free_graph(void* graph) noexcept;

}  // namespace rein::cuda::driver

namespace rein::cuda {
void count_wait();                      // of the host for a device
void count_launch(const char* kernel);  // a literal
}  // namespace rein::cuda
