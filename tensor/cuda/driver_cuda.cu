// The real device: one stream per thread and device, stream-ordered copies, segments from cudaMalloc.
#include <cstdlib>
#include <vector>

#include "tensor/cuda/driver.h"
#include "tensor/cuda/kernel.h"

#ifndef REIN_CUDA_ARCHITECTURES
#define REIN_CUDA_ARCHITECTURES "unknown"
#endif

namespace rein::cuda {
namespace {

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) fail_runtime("cuda", what, ": ", cudaGetErrorString(error));
}

void select(int index) {
  thread_local int selected = -1;
  if (selected == index) return;
  check(cudaSetDevice(index), "could not select the device");
  selected = index;
}

bool debugging() {
  static const bool on = [] {
    const char* value = std::getenv("REIN_CUDA_DEBUG");
    return value != nullptr && *value != '\0' && *value != '0';
  }();
  return on;
}

}  // namespace

int current_device() {
  int index = 0;
  check(cudaGetDevice(&index), "could not read the selected device");
  return index;
}

cudaStream_t stream(int index) {
  thread_local std::vector<cudaStream_t> streams;
  while (streams.size() <= static_cast<std::size_t>(index)) streams.push_back(nullptr);
  cudaStream_t& s = streams[static_cast<std::size_t>(index)];
  if (s == nullptr) {
    select(index);
    check(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), "could not make a stream");
  }
  return s;
}

void check_launch(const char* kernel) {
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) fail_runtime("cuda", kernel, " could not start: ", cudaGetErrorString(error));
  if (debugging()) {
    const cudaError_t end = cudaStreamSynchronize(stream(current_device()));
    if (end != cudaSuccess) fail_runtime("cuda", kernel, " failed: ", cudaGetErrorString(end));
  }
}

void prepare_shared(const void* kernel, std::size_t bytes) {
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)),
        "could not reserve shared memory");
}

namespace driver {

std::vector<DeviceInfo> devices() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();  // no driver or no device: not an error of ours
    return {};
  }
  std::vector<DeviceInfo> all;
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp p{};
    check(cudaGetDeviceProperties(&p, i), "could not read a device's properties");
    all.push_back({p.name, p.major, p.minor, p.multiProcessorCount, p.totalGlobalMem});
  }
  return all;
}

std::string architectures() {
  return REIN_CUDA_ARCHITECTURES;
}
bool is_emulated() {
  return false;
}

void* allocate(std::size_t bytes, int index) {
  select(index);
  void* data = nullptr;
  if (cudaMalloc(&data, bytes) != cudaSuccess) {
    cudaGetLastError();
    return nullptr;
  }
  return data;
}

void free(void* segment, int index) noexcept {
  cudaSetDevice(index);
  cudaFree(segment);
}

void copy(void* to, const void* from, std::size_t bytes, Copy kind, int index) {
  select(index);
  const cudaMemcpyKind direction = kind == Copy::to_device ? cudaMemcpyHostToDevice
                                   : kind == Copy::to_host ? cudaMemcpyDeviceToHost
                                                           : cudaMemcpyDeviceToDevice;
  check(cudaMemcpyAsync(to, from, bytes, direction, stream(index)), "a copy failed");
  // Pageable host memory: the runtime has staged the source when the call returns; results must have arrived.
  if (kind == Copy::to_host) check(cudaStreamSynchronize(stream(index)), "work before a copy to the host failed");
}

void fill_bytes(void* block, int byte, std::size_t bytes, int index) {
  select(index);
  check(cudaMemsetAsync(block, byte, bytes, stream(index)), "filling memory failed");
}

void synchronize(int index) {
  select(index);
  check(cudaStreamSynchronize(stream(index)), "work on the device failed");
}

}  // namespace driver
}  // namespace rein::cuda
