#include "tensor/late_read.h"

#include <cstring>

#include "tensor/cuda/async.h"
#include "tensor/cuda/door.h"
#include "tensor/error.h"

namespace rein {
namespace {

std::size_t padded(std::size_t bytes) {
  return (bytes + 15) / 16 * 16;
}

}  // namespace

LateRead::LateRead(std::vector<Tensor> tensors) {
  std::size_t bytes = 0;
  for (const Tensor& t : tensors) {
    if (!t) continue;
    require(bytes == 0 || t.device() == device_, "late_read", "all must be on one device, got ", device_.text(),
            " and ", t.device().text());
    device_ = t.device();
    bytes += padded(t.bytes()) + 16;
  }
  for (const Tensor& t : tensors) {
    if (device_.is_cpu())
      tensors_.push_back(t.clone());
    else
      tensors_.push_back(t ? Tensor::empty(t.shape(), t.dtype()) : Tensor{});
  }
  if constexpr (cuda::built) {
    if (device_.is_cpu()) return;
    const cuda::Pinned block = cuda::take_pinned(bytes, device_.index);
    if (!block) fail_runtime("late_read", "no pinned memory is left for ", bytes, " bytes");
    std::size_t offset = 0;
    for (const Tensor& t : tensors) {
      if (!t) continue;
      cuda::fetch(block, offset, t.raw(), t.bytes(), device_.index);
      offset += padded(t.bytes());
    }
    coming_ = block;
  }
}

const std::vector<Tensor>& LateRead::get() {
  if constexpr (cuda::built) {
    if (!coming_) return tensors_;
    const auto& block = *static_cast<const cuda::PinnedBlock*>(coming_.get());
    cuda::wait(block.copied);
    const std::byte* from = block.data;
    for (Tensor& t : tensors_) {
      if (!t) continue;
      std::memcpy(t.mutable_raw(), from, t.bytes());
      from += padded(t.bytes());
    }
    coming_.reset();
  }
  return tensors_;
}

}  // namespace rein
