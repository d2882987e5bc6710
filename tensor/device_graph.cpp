#include "tensor/device_graph.h"

#include "tensor/cuda/async.h"
#include "tensor/cuda/door.h"

namespace rein {

void DeviceGraph::run(const std::function<void()>& work) {
  if constexpr (cuda::built) {
    if (device_.is_cuda()) {
      cuda::begin_recording(device_.index);
      try {
        work();
      } catch (...) {
        cuda::drop_recording(device_.index);
        throw;
      }
      if (cuda::launch_recording(graph_, device_.index)) ++made_;
      return;
    }
  }
  work();
}

}  // namespace rein
