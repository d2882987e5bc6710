// The emulated device: one, whose memory is ours. Linked into tests instead of driver_cuda.cu. Work is done when it is
// given; copies that nobody waits for are done as late as the rules allow, so that whoever reads a result or overwrites
// a source too early is found: an event counts as passed when some more kernels were started, or it is waited for.
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

#include "tensor/cuda/driver.h"
#include "tensor/cuda/emulated/device_access.h"
#include "tensor/cuda/emulated/emulate.h"

namespace rein::cuda::driver {

using emulated::DeviceAccess;

namespace {

// A copy that has been asked for. To the host: the bytes as they were then.
struct LateCopy {
  void* to;
  const void* from;
  std::size_t bytes;
  std::vector<std::byte> taken;
};
struct Line {
  std::deque<LateCopy> waiting;
  std::uint64_t given = 0, done = 0;

  void run_until(std::uint64_t last) {
    const DeviceAccess access;
    for (; done < last; ++done) {
      const LateCopy& c = waiting.front();
      std::memcpy(c.to, c.taken.empty() ? c.from : c.taken.data(), c.bytes);
      waiting.pop_front();
    }
  }
};
Line& line(Queue queue) {
  static Line lines[2];
  return lines[queue == Queue::work ? 0 : 1];
}

constexpr std::uint64_t lag = 16;  // kernels that a device is behind its host

struct Mark {
  Queue queue = Queue::work;
  std::uint64_t copies = 0, kernels = 0;
  bool recorded = false;
};

}  // namespace

std::vector<DeviceInfo> devices() {
  return {{"emulated on the CPU", 8, 0, 1, emulated::arena_size()}};
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
void copy(void* to, const void* from, std::size_t bytes, Copy kind, int) {
  if (!emulated::runs_kernels()) {
    if (kind == Copy::to_host) std::memset(to, 0, bytes);
    return;
  }
  const DeviceAccess access;
  std::memmove(to, from, bytes);
}
void fill_bytes(void* block, int byte, std::size_t bytes, int) {
  if (!emulated::runs_kernels()) return;
  const DeviceAccess access;
  std::memset(block, byte, bytes);
}
void synchronize(int) {
  for (const Queue queue : {Queue::work, Queue::copies}) line(queue).run_until(line(queue).given);
}

void* allocate_pinned(std::size_t bytes) {
  return std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
}
void copy_later(void* to, const void* from, std::size_t bytes, Copy kind, Queue queue, int index) {
  // In the order of the work, a copy to the device must be there for the next kernel.
  if (!emulated::runs_kernels() || (kind == Copy::to_device && queue == Queue::work))
    return copy(to, from, bytes, kind, index);
  LateCopy late{to, from, bytes, {}};
  if (kind == Copy::to_host) {
    late.taken.resize(bytes);
    copy(late.taken.data(), from, bytes, kind, index);
    std::memset(to, 0xFF, bytes);
  }
  line(queue).waiting.push_back(std::move(late));
  ++line(queue).given;
}
void* make_event(int) {
  return new Mark;
}
void free_event(void* event) noexcept {
  delete static_cast<Mark*>(event);
}
void record(void* event, Queue queue, int) {
  *static_cast<Mark*>(event) = {queue, line(queue).given, emulated::kernels_run(), true};
}
void wait(void* event) {
  const Mark& mark = *static_cast<Mark*>(event);
  if (mark.recorded) line(mark.queue).run_until(mark.copies);
}
bool passed(void* event) {
  const Mark& mark = *static_cast<Mark*>(event);
  if (mark.recorded && emulated::kernels_run() < mark.kernels + lag) return false;
  wait(event);
  return true;
}
void hold(Queue queue, void* event, int) {
  if (queue == Queue::work) wait(event);  // the copies that it stands for must be there for the next kernel
}

// Here recorded work has been done already; only the rules are those of a graph.
void begin_recording(int) {}
void* launch_recording(void* graph, int) {
  return graph != nullptr ? graph : new char;
}
void drop_recording(int) noexcept {}
void free_graph(void* graph) noexcept {
  delete static_cast<char*>(graph);
}

}  // namespace rein::cuda::driver

namespace rein::cuda {
int current_device() {
  return 0;
}
}  // namespace rein::cuda
