// A piece of work given to a device as one graph instead of kernel by kernel: fewer gaps between small kernels.
//
//   DeviceGraph graph(device);
//   for (...) graph.run([&] { ...everything of one step... });
//
// `work` is recorded, not run; when it returns, the graph is launched. Every call records again and puts the new
// arguments (addresses, learning rates, keys of random numbers) into the graph of the call before, as long as it has
// the same kernels in the same order; otherwise the graph is made anew. So the work may depend on anything on the host.
// It must not wait for the device, nor read what it computes: that is an error. On the CPU `work` simply runs. Tables
// that ops and modules keep (of resizes, sine positions, reference points, rounded biases) are filled by what is
// recorded when they are first needed: run the work once before, and do not go on with a device whose recorded work has
// thrown.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "tensor/device.h"

namespace rein {

class DeviceGraph {
 public:
  explicit DeviceGraph(Device device) : device_(device) {}
  // What `work` throws is thrown here; nothing of it is launched then.
  void run(const std::function<void()>& work);
  std::int64_t made() const { return made_; }  // how often a graph was made, and not only given new arguments

 private:
  Device device_;
  std::shared_ptr<void> graph_;
  std::int64_t made_ = 0;
};

}  // namespace rein
