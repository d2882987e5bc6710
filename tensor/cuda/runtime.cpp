#include "tensor/cuda/runtime.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "tensor/cuda/driver.h"
#include "tensor/cuda/segment_cache.h"
#include "tensor/error.h"

namespace rein::cuda {
namespace {

// One cache per device, made when first used and never destroyed: tensors in static objects may outlive everything.
SegmentCache& cache(int index) {
  static std::mutex mutex;
  static const char* setting = std::getenv("REIN_CUDA_CACHE");
  static const bool reuse = setting == nullptr || std::string_view(setting) != "off";
  static auto* caches = new std::deque<std::unique_ptr<SegmentCache>>;
  const std::lock_guard lock(mutex);
  while (caches->size() <= static_cast<std::size_t>(index)) {
    const int device = static_cast<int>(caches->size());
    caches->push_back(std::make_unique<SegmentCache>([device](std::size_t n) { return driver::allocate(n, device); },
                                                     [device](void* p) {
                                                       if (!keep_segment(p, device)) driver::free(p, device);
                                                     },
                                                     reuse));
  }
  return *(*caches)[static_cast<std::size_t>(index)];
}

thread_local std::unordered_map<std::string_view, std::uint64_t> given;  // names are literals

constexpr std::size_t staged_piece = std::size_t{64} << 20;

std::string mebibytes(std::size_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

}  // namespace

std::vector<DeviceInfo> devices() {
  return driver::devices();
}
std::string architectures() {
  return driver::architectures();
}
bool is_emulated() {
  return driver::is_emulated();
}

void* allocate(std::size_t bytes, int index) {
  void* block = cache(index).allocate(bytes);
  if (block == nullptr) {
    fail_runtime("cuda memory", "out of memory on cuda:", index, ": ", mebibytes(bytes), " asked for, ",
                 mebibytes(cache(index).stats().live), " in use, ", mebibytes(cache(index).reserved()), " reserved of ",
                 mebibytes(devices().at(static_cast<std::size_t>(index)).memory),
                 "; a smaller batch or crop, or recompute = true, needs less");
  }
  return block;
}

void release(void* block, int index) noexcept {
  cache(index).release(block);
}
void empty_cache(int index) {
  cache(index).give_back_unused();
}
MemoryStats memory_stats(int index) {
  return cache(index).stats();
}
std::size_t reserved_bytes(int index) {
  return cache(index).reserved();
}
void reset_peak_memory(int index) {
  cache(index).reset_peak();
}

void to_device(void* device, const void* host, std::size_t bytes, int index) {
  auto* to = static_cast<std::byte*>(device);
  const auto* from = static_cast<const std::byte*>(host);
  while (bytes > 0) {
    const std::size_t piece = std::min(bytes, staged_piece);
    const Pinned staged = take_pinned(piece, index);
    if (!staged) break;
    std::memcpy(staged->data, from, piece);
    send(to, staged, piece, Queue::work, index);
    to += piece, from += piece, bytes -= piece;
  }
  if (bytes == 0) return;
  count_wait();  // no pinned memory is left
  driver::copy(to, from, bytes, driver::Copy::to_device, index);
}
void to_host(void* host, const void* device, std::size_t bytes, int index) {
  if (bytes == 0) return;
  count_wait();
  driver::copy(host, device, bytes, driver::Copy::to_host, index);
}
void on_device(void* to, const void* from, std::size_t bytes, int index) {
  if (bytes > 0 && to != from) driver::copy(to, from, bytes, driver::Copy::on_device, index);
}
void fill_bytes(void* block, int byte, std::size_t bytes, int index) {
  if (bytes > 0) driver::fill_bytes(block, byte, bytes, index);
}
void synchronize(int index) {
  count_wait();
  driver::synchronize(index);
}

void count_launch(const char* kernel) {
  ++given[kernel];
}
std::map<std::string, std::uint64_t> launches() {
  return {given.begin(), given.end()};
}

}  // namespace rein::cuda
