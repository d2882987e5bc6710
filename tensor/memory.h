// Storage: one ref-counted block of bytes with a version counter, and the account of all live blocks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "tensor/device.h"

namespace rein {

class Storage {
 public:
  // 64-byte aligned memory (512 on a device). Throws std::runtime_error naming the size when there is none left.
  static std::shared_ptr<Storage> allocate(std::size_t bytes, Device device = {});
  // Bytes owned by somebody else (a memory-mapped file); `release` runs when the last user is gone.
  static std::shared_ptr<Storage> borrow(void* data, std::size_t bytes, std::function<void()> release);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  Device device() const { return device_; }

  // Counts writes. The tape compares it to tell that a saved value was overwritten.
  std::uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump_version() { version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  Storage() = default;
  static std::shared_ptr<Storage> allocate_on_device(std::size_t bytes, Device device);
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  Device device_;
  std::atomic<std::uint64_t> version_{0};
  std::function<void()> release_;
};

// Bytes of all storages that we allocated ourselves (borrowed ones excluded), per process and device.
struct MemoryStats {
  std::size_t live = 0;
  std::size_t peak = 0;
};
MemoryStats memory_stats(Device device = {});
void reset_peak_memory(Device device = {});

// For long-running programs (call once, first thing in main): memory of freed tensors stays with the process instead of
// going back to the system, which would have to clear its pages again at every step. Does nothing without glibc.
void keep_freed_memory();

// Tests: fill every new floating-point tensor with NaN, so that a kernel that forgets an element is seen.
void poison_new_tensors(bool on);
bool poisoning_new_tensors();

}  // namespace rein
