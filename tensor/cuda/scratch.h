// Memory that a kernel's host side needs for the length of its launches. Freed blocks are handed out again in stream
// order, so it may go before the kernels have run.
#pragma once

#include "tensor/cuda/runtime.h"

namespace rein::cuda {

int current_device();  // of the calling thread: where launch works

template <class T>
class Scratch {
 public:
  explicit Scratch(std::int64_t count)
      : index_(current_device()),
        data_(static_cast<T*>(allocate(static_cast<std::size_t>(count) * sizeof(T), index_))) {}
  ~Scratch() { release(data_, index_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* data() { return data_; }

 private:
  int index_;
  T* data_;
};

}  // namespace rein::cuda
