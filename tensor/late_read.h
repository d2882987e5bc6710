// Values on their way from a device to the host, read when they are there: whoever reports a number one step late does
// not stop the device for it.
//
//   LateRead read({loss, norm});   // after the work that makes them; returns at once
//   ... the next step's work ...
//   const auto& values = read.get();
#pragma once

#include <memory>
#include <vector>

#include "tensor/tensor.h"

namespace rein {

class LateRead {
 public:
  LateRead() = default;
  // The tensors as they are when all work given to their device before is done; they may be written to or go right
  // away. All on one device; null ones stay null.
  explicit LateRead(std::vector<Tensor> tensors);

  // The values, on the CPU. Waits for them if need be (cuda::host_waits counts that).
  const std::vector<Tensor>& get();

 private:
  std::vector<Tensor> tensors_;  // until get: their shapes, on the CPU
  std::shared_ptr<void> coming_;
  Device device_;
};

}  // namespace rein
