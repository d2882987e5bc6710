// Tensors sent to a device ahead of their use, beside its work: the photos of the next batch while this one's step
// runs. They go through pinned memory and a queue of their own into buffers that are used again and again.
//
//   upload.send(batch.images);              // returns at once
//   const Tensor images = upload.receive(); // the next kernels wait for it, the host does not
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "tensor/tensor.h"

namespace rein {

class Upload {
 public:
  // `depth` buffers: as many tensors can be on the device at a time, the received one included. At least 2.
  explicit Upload(Device device, int depth = 2);
  ~Upload();
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  // The source may be overwritten at once. At most depth - 1 may be sent and not yet received.
  void send(const Tensor& host);
  // What was sent longest ago. It may be used until the next call: then its buffer is free for a later one. On the CPU
  // it is the tensor itself.
  Tensor receive();
  std::size_t waiting() const { return sent_ - received_; }

 private:
  struct Slot {
    Tensor tensor;
    std::shared_ptr<void> there, free;  // events: the copy has ended; whoever used it before has
  };
  Slot& slot(std::size_t number) { return slots_[number % slots_.size()]; }

  Device device_;
  std::vector<Slot> slots_;
  std::size_t sent_ = 0, received_ = 0;
};

}  // namespace rein
