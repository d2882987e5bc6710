#include "tensor/memory.h"

#include <cstddef>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cstdlib>
#include <limits>
#include <new>

#include "tensor/block_cache.h"
#include "tensor/cuda/door.h"
#include "tensor/error.h"

namespace rein {
namespace {

std::atomic<std::size_t> live_bytes{0};
std::atomic<std::size_t> peak_bytes{0};
std::atomic<bool> poison{false};
std::atomic<bool> keep_blocks{false};  // large storages come from the block cache

void account(std::size_t bytes) {
  const std::size_t now = live_bytes.fetch_add(bytes) + bytes;
  std::size_t peak = peak_bytes.load();
  while (now > peak && !peak_bytes.compare_exchange_weak(peak, now)) {
  }
}

}  // namespace

std::shared_ptr<Storage> Storage::allocate(std::size_t bytes, Device device) {
  if (device.is_cuda()) return allocate_on_device(bytes, device);
  constexpr std::size_t alignment = 64;
  const std::size_t padded = (bytes + alignment - 1) / alignment * alignment;
  auto storage = std::shared_ptr<Storage>(new Storage);
  const bool kept = keep_blocks.load(std::memory_order_relaxed) && bytes >= BlockCache::smallest;
  storage->data_ = static_cast<std::byte*>(kept ? block_cache().take(padded)
                                                : std::aligned_alloc(alignment, padded == 0 ? alignment : padded));
  if (storage->data_ == nullptr)
    fail_runtime("memory", "out of memory: could not allocate ", bytes, " bytes on the CPU");
  storage->bytes_ = bytes;
  account(bytes);
  return storage;
}

std::shared_ptr<Storage> Storage::allocate_on_device(std::size_t bytes, Device device) {
  if constexpr (cuda::built) {
    auto storage = std::shared_ptr<Storage>(new Storage);
    storage->data_ = static_cast<std::byte*>(cuda::allocate(bytes, device.index));
    storage->bytes_ = bytes;
    storage->device_ = device;
    storage->release_ = [data = storage->data_, device] { cuda::release(data, device.index); };
    return storage;
  }
  fail("memory", "no allocator for device ", device.text());
}

std::shared_ptr<Storage> Storage::borrow(void* data, std::size_t bytes, std::function<void()> release) {
  auto storage = std::shared_ptr<Storage>(new Storage);
  storage->data_ = static_cast<std::byte*>(data);
  storage->bytes_ = bytes;
  storage->release_ = std::move(release);
  return storage;
}

Storage::~Storage() {
  if (release_) {
    release_();
    return;
  }
  if (data_ == nullptr) return;  // it could not be allocated
  if (bytes_ < BlockCache::smallest || !block_cache().give_back(data_)) std::free(data_);
  live_bytes.fetch_sub(bytes_);
}

MemoryStats memory_stats(Device device) {
  if constexpr (cuda::built) {
    if (device.is_cuda()) return cuda::memory_stats(device.index);
  }
  return {live_bytes.load(), peak_bytes.load()};
}
void reset_peak_memory(Device device) {
  if constexpr (cuda::built) {
    if (device.is_cuda()) return cuda::reset_peak_memory(device.index);
  }
  peak_bytes.store(live_bytes.load());
}

void keep_freed_memory() {
  keep_blocks.store(BlockCache::supported());  // large blocks; what follows is for all others
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);  // large blocks come from the heap as well, where free neighbours merge
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

void poison_new_tensors(bool on) {
  poison.store(on);
}
bool poisoning_new_tensors() {
  return poison.load(std::memory_order_relaxed);
}

}  // namespace rein
