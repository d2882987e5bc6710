// Copies that nobody waits for: pinned memory of the host, marks in the order of a device's work, a second queue for
// copies beside it, and work that is recorded first. For the few files that hand work and tensors to a device
// (late_read, upload, device_graph).
#pragma once

#include <cstddef>
#include <memory>

namespace rein::cuda {

// The calling thread's work, in order; and copies that run beside it, in an order of their own.
enum class Queue { work, copies };

// A mark: passed when everything given to its queue before is done.
using Event = std::shared_ptr<void>;
Event make_event(int index);
void record(const Event& event, Queue queue, int index);
bool passed(const Event& event);  // true for one that was never recorded
void wait(const Event& event);    // of the host
// Work given to `queue` from now on begins after the event has passed. The host does not wait.
void hold(Queue queue, const Event& event, int index);

// Lent by a pool, and back there when the last user is gone; it is used again after its last copy has ended.
struct PinnedBlock {
  std::byte* data = nullptr;
  std::size_t bytes = 0;  // at least as many as were asked for
  Event copied;           // after the last copy from or to it
};
using Pinned = std::shared_ptr<PinnedBlock>;
Pinned take_pinned(std::size_t bytes, int index);  // null when there is no such memory left

// Return at once. The bytes of the block must stay as they are (send) or are there (fetch) after `copied` has passed.
void send(void* device, const Pinned& from, std::size_t bytes, Queue queue, int index);
void fetch(const Pinned& to, std::size_t offset, const void* device, std::size_t bytes, int index);

// Of the calling thread: work given from now on is recorded. Until it is launched or dropped, waiting, recording events
// and holding queues are errors, and pinned blocks that take part stay lent.
void begin_recording(int index);
// Puts the recorded arguments into `graph`, or makes it anew where it is null or has other kernels (then true), and
// launches it.
bool launch_recording(std::shared_ptr<void>& graph, int index);
void drop_recording(int index) noexcept;
// While work is recorded: frees the segment after the launch, and says so. Otherwise false, and nothing is done.
bool keep_segment(void* segment, int index);

}  // namespace rein::cuda
