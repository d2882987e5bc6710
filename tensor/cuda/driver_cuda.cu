// The real device: per thread and device one stream for work and one for copies beside it, stream-ordered copies,
// segments from cudaMalloc.
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

cudaStream_t stream_of(Queue queue, int index) {
  thread_local std::vector<cudaStream_t> streams[2];
  std::vector<cudaStream_t>& own = streams[queue == Queue::work ? 0 : 1];
  while (own.size() <= static_cast<std::size_t>(index)) own.push_back(nullptr);
  cudaStream_t& s = own[static_cast<std::size_t>(index)];
  if (s == nullptr) {
    select(index);
    check(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), "could not make a stream");
  }
  return s;
}

cudaMemcpyKind direction_of(driver::Copy kind) {
  return kind == driver::Copy::to_device ? cudaMemcpyHostToDevice
         : kind == driver::Copy::to_host ? cudaMemcpyDeviceToHost
                                         : cudaMemcpyDeviceToDevice;
}

}  // namespace

static thread_local bool capturing = false;  // begin_recording has been called

int current_device() {
  int index = 0;
  check(cudaGetDevice(&index), "could not read the selected device");
  return index;
}

cudaStream_t stream(int index) {
  return stream_of(Queue::work, index);
}

void check_launch(const char* kernel) {
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) fail_runtime("cuda", kernel, " could not start: ", cudaGetErrorString(error));
  if (debugging() && !capturing) {  // what is recorded runs later
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
  int selected = index;
  cudaGetDevice(&selected);
  if (selected != index) cudaSetDevice(index);
  cudaFree(segment);
  if (selected != index) cudaSetDevice(selected);  // what `select` takes for granted
}

void copy(void* to, const void* from, std::size_t bytes, Copy kind, int index) {
  select(index);
  check(cudaMemcpyAsync(to, from, bytes, direction_of(kind), stream(index)), "a copy failed");
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

void* allocate_pinned(std::size_t bytes) {
  void* data = nullptr;
  if (cudaHostAlloc(&data, bytes, cudaHostAllocPortable) != cudaSuccess) {
    cudaGetLastError();
    return nullptr;
  }
  return data;
}

void copy_later(void* to, const void* from, std::size_t bytes, Copy kind, Queue queue, int index) {
  select(index);
  check(cudaMemcpyAsync(to, from, bytes, direction_of(kind), stream_of(queue, index)), "a copy failed");
}

// A host that waits sleeps: the threads of the loader have the cores.
void* make_event(int index) {
  select(index);
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming | cudaEventBlockingSync), "could not make an event");
  return event;
}
void free_event(void* event) noexcept {
  cudaEventDestroy(static_cast<cudaEvent_t>(event));
}
void record(void* event, Queue queue, int index) {
  select(index);
  check(cudaEventRecord(static_cast<cudaEvent_t>(event), stream_of(queue, index)), "could not record an event");
}
bool passed(void* event) {
  const cudaError_t state = cudaEventQuery(static_cast<cudaEvent_t>(event));
  if (state == cudaErrorNotReady) {
    cudaGetLastError();  // not an error; left there, the next launch would take it for its own
    return false;
  }
  check(state, "work on the device failed");
  return true;
}
void wait(void* event) {
  check(cudaEventSynchronize(static_cast<cudaEvent_t>(event)), "work on the device failed");
}
void hold(Queue queue, void* event, int index) {
  select(index);
  check(cudaStreamWaitEvent(stream_of(queue, index), static_cast<cudaEvent_t>(event), 0), "could not order streams");
}

// Relaxed: memory may be asked of the device while recording, and events of other queues be looked at.
void begin_recording(int index) {
  select(index);
  check(cudaStreamBeginCapture(stream(index), cudaStreamCaptureModeRelaxed), "could not begin to record a graph");
  capturing = true;
}

void* launch_recording(void* graph, int index) {
  capturing = false;
  select(index);
  cudaGraph_t recorded = nullptr;
  check(cudaStreamEndCapture(stream(index), &recorded), "could not record a graph");
  auto* ready = static_cast<cudaGraphExec_t>(graph);
  cudaGraphExecUpdateResultInfo info{};
  cudaError_t error = cudaErrorGraphExecUpdateFailure;
  if (ready != nullptr) {
    error = cudaGraphExecUpdate(ready, recorded, &info);
    if (error == cudaErrorGraphExecUpdateFailure) cudaGetLastError();  // other kernels: not an error of ours
  }
  if (error == cudaErrorGraphExecUpdateFailure) {
    ready = nullptr;
    error = cudaGraphInstantiate(&ready, recorded, 0);
  }
  cudaGraphDestroy(recorded);
  check(error, "could not make a graph");
  check(cudaGraphLaunch(ready, stream(index)), "could not launch a graph");
  return ready;
}

void drop_recording(int index) noexcept {
  capturing = false;
  cudaGraph_t recorded = nullptr;
  cudaStreamEndCapture(stream(index), &recorded);
  if (recorded != nullptr) cudaGraphDestroy(recorded);
  cudaGetLastError();
}
void free_graph(void* graph) noexcept {
  cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph));
}

}  // namespace driver
}  // namespace rein::cuda
