#include "tensor/cuda/async.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <deque>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "tensor/cuda/driver.h"
#include "tensor/error.h"

namespace rein::cuda {
namespace {

constexpr std::size_t smallest = 4096;                        // of pinned blocks
constexpr std::size_t powers_limit = std::size_t{16} << 20;   // their sizes are powers of two up to here,
constexpr std::size_t large_grain = std::size_t{2} << 20;     // and multiples of this above
constexpr std::size_t pinned_limit = std::size_t{512} << 20;  // of all of them together

std::atomic<std::uint64_t> waits{0};

std::size_t block_bytes(std::size_t bytes) {
  if (bytes <= powers_limit) return std::bit_ceil(std::max(bytes, smallest));
  return (bytes + large_grain - 1) / large_grain * large_grain;
}

class PinnedPool {
 public:
  Pinned take(std::size_t bytes, int index) {
    const std::lock_guard lock(mutex_);
    PinnedBlock* const found = choose(block_bytes(bytes), index);
    if (found == nullptr) return nullptr;
    try {
      if (!passed(found->copied)) wait(found->copied);
    } catch (...) {
      idle_[{index, found->bytes}].push_back(found);
      throw;
    }
    return {found, [this, index](PinnedBlock* block) {
              const std::lock_guard give_back(mutex_);
              idle_[{index, block->bytes}].push_back(block);
            }};
  }

 private:
  using Idle = std::deque<PinnedBlock*>;  // of one device and size, the first one given back first

  // A step asks for hundreds of small blocks: one question to the driver each. Copies end about in the order in which
  // blocks came back, so the first of a size has the best chance that its own has.
  PinnedBlock* choose(std::size_t bytes, int index) {
    Idle& same = idle_[{index, bytes}];
    if (!same.empty() && passed(same.front()->copied)) return pop(same);
    if (reserved_ + bytes <= pinned_limit)
      if (PinnedBlock* const made = make(bytes, index)) return made;
    for (auto at = idle_.find({index, bytes}); at != idle_.end() && at->first.first == index; ++at)
      if (!at->second.empty()) return pop(at->second);
    return nullptr;
  }
  static PinnedBlock* pop(Idle& idle) {
    PinnedBlock* const block = idle.front();
    idle.pop_front();
    return block;
  }

  PinnedBlock* make(std::size_t bytes, int index) {
    auto* data = static_cast<std::byte*>(driver::allocate_pinned(bytes));
    if (data == nullptr) return nullptr;
    reserved_ += bytes;
    return &blocks_.emplace_back(PinnedBlock{data, bytes, make_event(index)});
  }

  std::mutex mutex_;
  std::deque<PinnedBlock> blocks_;                    // all of them, for good
  std::map<std::pair<int, std::size_t>, Idle> idle_;  // by device and bytes
  std::size_t reserved_ = 0;
};

// Of the calling thread: are its work's kernels recorded, and the blocks whose copies are.
struct Recording {
  bool on = false;
  std::vector<Pinned> blocks;
  std::vector<std::pair<void*, int>> segments;  // to be freed, with their devices
};
thread_local Recording recording;

void refuse_while_recording(const char* what) {
  require(!recording.on, "cuda", "work that is recorded as a graph must not ", what);
}

// Kernels that are recorded but not launched may still use them.
void free_kept_segments() noexcept {
  for (const auto& [segment, index] : std::exchange(recording.segments, {})) driver::free(segment, index);
}

// A recorded copy has its turn when the graph is launched.
void mark_copied(const Pinned& block, Queue queue, int index) {
  if (recording.on)
    recording.blocks.push_back(block);
  else
    record(block->copied, queue, index);
}

PinnedPool& pool() {
  static auto* made = new PinnedPool;  // never destroyed: tensors in static objects may outlive everything
  return *made;
}

}  // namespace

Event make_event(int index) {
  return {driver::make_event(index), [](void* event) { driver::free_event(event); }};
}
void record(const Event& event, Queue queue, int index) {
  refuse_while_recording("mark a place in it");
  driver::record(event.get(), queue, index);
}
bool passed(const Event& event) {
  return driver::passed(event.get());
}
void wait(const Event& event) {
  refuse_while_recording("wait for the device");
  if (passed(event)) return;
  count_wait();
  driver::wait(event.get());
}
void hold(Queue queue, const Event& event, int index) {
  refuse_while_recording("be held");
  driver::hold(queue, event.get(), index);
}

Pinned take_pinned(std::size_t bytes, int index) {
  return pool().take(bytes, index);
}

void send(void* device, const Pinned& from, std::size_t bytes, Queue queue, int index) {
  require(bytes <= from->bytes, "cuda", "sends ", bytes, " bytes of a block of ", from->bytes);
  driver::copy_later(device, from->data, bytes, driver::Copy::to_device, queue, index);
  mark_copied(from, queue, index);
}
void fetch(const Pinned& to, std::size_t offset, const void* device, std::size_t bytes, int index) {
  require(offset + bytes <= to->bytes, "cuda", "fetches ", bytes, " bytes to ", offset, " of a block of ", to->bytes);
  driver::copy_later(to->data + offset, device, bytes, driver::Copy::to_host, Queue::work, index);
  mark_copied(to, Queue::work, index);
}

void begin_recording(int index) {
  refuse_while_recording("begin another one");
  driver::begin_recording(index);
  recording.on = true;
}

bool keep_segment(void* segment, int index) {
  if (recording.on) recording.segments.emplace_back(segment, index);
  return recording.on;
}

bool launch_recording(std::shared_ptr<void>& graph, int index) {
  recording.on = false;
  const struct Free {
    ~Free() { free_kept_segments(); }  // the device waits for its work before it frees
  } free_afterwards;
  const std::vector<Pinned> blocks = std::exchange(recording.blocks, {});
  bool made = false;
  if (void* fresh = driver::launch_recording(graph.get(), index); fresh != graph.get()) {
    graph = {fresh, [](void* old) { driver::free_graph(old); }};
    made = true;
  }
  for (const Pinned& block : blocks) record(block->copied, Queue::work, index);
  return made;
}

void drop_recording(int index) noexcept {
  recording.on = false;
  recording.blocks.clear();
  driver::drop_recording(index);
  free_kept_segments();
}

void count_wait() {
  refuse_while_recording("wait for the device");
  waits.fetch_add(1, std::memory_order_relaxed);
}
std::uint64_t host_waits() {
  return waits.load(std::memory_order_relaxed);
}

}  // namespace rein::cuda
