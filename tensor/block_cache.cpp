#include "tensor/block_cache.h"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#define REIN_HAS_MMAP 1
#endif

#include <algorithm>

namespace rein {
namespace {

// Sizes are rounded up, so that nearly equal ones share their blocks.
constexpr std::size_t step = std::size_t{64} << 10;

#ifdef MADV_HUGEPAGE
// At an address that is a multiple of 2 MiB, where the system may use pages of that size: it fills them five times
// faster than as many small ones.
void* map_aligned(std::size_t bytes) {
  constexpr std::size_t page = std::size_t{2} << 20;
  void* mapped = mmap(nullptr, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* const start = static_cast<std::byte*>(mapped);
  const std::size_t before = (page - reinterpret_cast<std::uintptr_t>(start) % page) % page;
  std::byte* const block = start + before;
  if (before > 0) munmap(start, before);
  munmap(block + bytes, page - before);
  madvise(block, bytes, MADV_HUGEPAGE);  // a refusal costs speed alone
  return block;
}
#endif

void* map(std::size_t bytes) {
#ifdef MADV_HUGEPAGE
  if (bytes >= (std::size_t{4} << 20)) return map_aligned(bytes);
#endif
#ifdef REIN_HAS_MMAP
  void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return block == MAP_FAILED ? nullptr : block;
#else
  static_cast<void>(bytes);
  return nullptr;
#endif
}

void unmap([[maybe_unused]] void* block, [[maybe_unused]] std::size_t bytes) {
#ifdef REIN_HAS_MMAP
  munmap(block, bytes);
#endif
}

}  // namespace

bool BlockCache::supported() {
#ifdef REIN_HAS_MMAP
  return true;
#else
  return false;
#endif
}

void* BlockCache::take(std::size_t bytes) {
  if (bytes > SIZE_MAX / 2) return nullptr;
  const std::size_t size = (bytes + step - 1) / step * step;
  const std::lock_guard lock(mutex_);
  const auto found = kept_.lower_bound(size);
  void* block = nullptr;
  std::size_t got = size;
  if (found != kept_.end() && found->first <= size + size / 4) {
    block = found->second.block;
    got = found->first;
    stats_.kept -= got;
    kept_.erase(found);
  } else {
    const std::size_t limit = std::max(stats_.most_used + stats_.most_used / 16, stats_.used + size);
    while (!kept_.empty() && stats_.used + stats_.kept + size > limit) release_oldest();
    block = map(size);
    while (block == nullptr && !kept_.empty()) {
      release_oldest();
      block = map(size);
    }
    if (block == nullptr) return nullptr;
  }
  sizes_.emplace(block, got);
  stats_.used += got;
  stats_.most_used = std::max(stats_.most_used, stats_.used);
  return block;
}

bool BlockCache::give_back(void* block) {
  const std::lock_guard lock(mutex_);
  const auto found = sizes_.find(block);
  if (found == sizes_.end()) return false;
  stats_.used -= found->second;
  stats_.kept += found->second;
  kept_.emplace(found->second, Kept{block, clock_++});
  sizes_.erase(found);
  return true;
}

BlockCache::Stats BlockCache::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

BlockCache::~BlockCache() {
  while (!kept_.empty()) release(kept_.begin());
}

void BlockCache::release(std::multimap<std::size_t, Kept>::iterator kept) {
  unmap(kept->second.block, kept->first);
  stats_.kept -= kept->first;
  kept_.erase(kept);
}

void BlockCache::release_oldest() {
  release(std::min_element(kept_.begin(), kept_.end(),
                           [](const auto& a, const auto& b) { return a.second.since < b.second.since; }));
}

BlockCache& block_cache() {
  static auto* cache = new BlockCache;
  return *cache;
}

}  // namespace rein
