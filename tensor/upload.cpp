#include "tensor/upload.h"

#include <cstring>
#include <stdexcept>

#include "tensor/cuda/async.h"
#include "tensor/cuda/door.h"
#include "tensor/error.h"

namespace rein {

Upload::Upload(Device device, int depth) : device_(device), slots_(static_cast<std::size_t>(depth)) {
  require(depth >= 2, "upload", "depth must be at least 2, got ", depth);
}

// Buffers go back to the cache in the order of the work: it must not hand them out while a copy still writes to them.
Upload::~Upload() {
  if constexpr (cuda::built) {
    try {
      for (; device_.is_cuda() && received_ < sent_; ++received_)
        cuda::hold(cuda::Queue::work, slot(received_).there, device_.index);
    } catch (const std::runtime_error&) {
      // The device failed before: whoever waited for it has said so, and no more work will read these buffers.
    }
  }
}

void Upload::send(const Tensor& host) {
  require(host && host.device().is_cpu(), "upload", "sends tensors of the CPU, got ", host.shape(), " on ",
          host.device().text());
  require(waiting() + 1 < slots_.size(), "upload", "has ", waiting(), " tensors that nobody received, of ",
          slots_.size() - 1);
  Slot& s = slot(sent_);
  if constexpr (cuda::built) {
    if (device_.is_cuda()) {
      const int index = device_.index;
      if (!s.there) s.there = cuda::make_event(index), s.free = cuda::make_event(index);
      if (!s.tensor || s.tensor.shape() != host.shape() || s.tensor.dtype() != host.dtype()) {
        s.tensor = Tensor::empty(host.shape(), host.dtype(), device_);
        cuda::record(s.free, cuda::Queue::work, index);  // the memory may have had another user
      }
      if (const cuda::Pinned block = cuda::take_pinned(host.bytes(), index)) {
        cuda::hold(cuda::Queue::copies, s.free, index);
        std::memcpy(block->data, host.raw(), host.bytes());
        cuda::send(s.tensor.mutable_raw(), block, host.bytes(), cuda::Queue::copies, index);
        cuda::record(s.there, cuda::Queue::copies, index);
      } else {  // more than the pool holds: in the order of the work, and slower
        cuda::to_device(s.tensor.mutable_raw(), host.raw(), host.bytes(), index);
        cuda::record(s.there, cuda::Queue::work, index);
      }
      ++sent_;
      return;
    }
  }
  s.tensor = host;
  ++sent_;
}

Tensor Upload::receive() {
  require(waiting() > 0, "upload", "has nothing to receive");
  if constexpr (cuda::built) {
    if (device_.is_cuda()) {
      if (received_ > 0) cuda::record(slot(received_ - 1).free, cuda::Queue::work, device_.index);
      cuda::hold(cuda::Queue::work, slot(received_).there, device_.index);
      return slot(received_++).tensor;
    }
  }
  return std::move(slot(received_++).tensor);
}

}  // namespace rein
