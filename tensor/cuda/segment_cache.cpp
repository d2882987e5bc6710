#include "tensor/cuda/segment_cache.h"

#include <algorithm>
#include <iterator>

#include "tensor/error.h"

namespace rein::cuda {
namespace {

constexpr std::size_t grain = 512;            // every block begins at a multiple of it
constexpr std::size_t small_limit = 1 << 20;  // up to here blocks share segments of their own
constexpr std::size_t small_segment = 2 << 20;
constexpr std::size_t large_segment = 20 << 20;  // middle-sized blocks are cut from these
constexpr std::size_t segment_grain = 2 << 20;   // the device's page

std::size_t rounded(std::size_t bytes, std::size_t to) {
  return (std::max<std::size_t>(bytes, 1) + to - 1) / to * to;
}

}  // namespace

SegmentCache::SegmentCache(std::function<void*(std::size_t)> take, std::function<void(void*)> give, bool reuse)
    : take_(std::move(take)), give_(std::move(give)), reuse_(reuse) {}

SegmentCache::~SegmentCache() {
  drop_unused();
}

SegmentCache::Blocks::iterator SegmentCache::find_free(std::size_t bytes, bool small) {
  std::set<FreeKey>& list = free_list(small);
  const auto found = list.lower_bound({bytes, nullptr});
  if (found == list.end()) return blocks_.end();
  const auto block = blocks_.find(found->second);
  list.erase(found);
  return block;
}

SegmentCache::Blocks::iterator SegmentCache::new_segment(std::size_t bytes, bool small) {
  const std::size_t wanted = !reuse_                     ? bytes
                             : small                     ? small_segment
                             : bytes < large_segment / 2 ? large_segment
                                                         : rounded(bytes, segment_grain);
  auto* data = static_cast<std::byte*>(take_(wanted));
  if (data == nullptr) return blocks_.end();
  reserved_ += wanted;
  return blocks_.emplace(data, Block{wanted, true, true, small}).first;
}

void* SegmentCache::allocate(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const std::size_t wanted = rounded(bytes, reuse_ ? grain : 1);
  if (wanted < bytes) return nullptr;
  const bool small = wanted <= small_limit;
  auto block = find_free(wanted, small);
  if (block == blocks_.end()) block = new_segment(wanted, small);
  if (block == blocks_.end()) {
    drop_unused();
    block = new_segment(wanted, small);
  }
  if (block == blocks_.end()) return nullptr;
  // The rest becomes a free block, unless it is a sliver of a large one that only another sliver would fit into.
  const std::size_t rest = block->second.bytes - wanted;
  if (rest >= (small ? grain : small_limit)) {
    std::byte* tail = block->first + wanted;
    blocks_.emplace(tail, Block{rest, true, false, small});
    free_list(small).insert({rest, tail});
    block->second.bytes = wanted;
  }
  block->second.free = false;
  live_ += block->second.bytes;
  peak_ = std::max(peak_, live_);
  return block->first;
}

void SegmentCache::release(void* data) {
  const std::lock_guard lock(mutex_);
  auto block = blocks_.find(static_cast<std::byte*>(data));
  require(block != blocks_.end() && !block->second.free, "cuda memory", "released a block that is not in use");
  live_ -= block->second.bytes;
  if (!reuse_) {
    reserved_ -= block->second.bytes;
    give_(data);
    blocks_.erase(block);
    return;
  }
  block->second.free = true;
  std::set<FreeKey>& list = free_list(block->second.small);
  const auto next = std::next(block);
  if (next != blocks_.end() && next->second.free && !next->second.first) {
    list.erase({next->second.bytes, next->first});
    block->second.bytes += next->second.bytes;
    blocks_.erase(next);
  }
  if (!block->second.first) {
    const auto previous = std::prev(block);
    if (previous->second.free) {
      list.erase({previous->second.bytes, previous->first});
      previous->second.bytes += block->second.bytes;
      blocks_.erase(block);
      block = previous;
    }
  }
  list.insert({block->second.bytes, block->first});
}

void SegmentCache::drop_unused() {
  for (auto block = blocks_.begin(); block != blocks_.end();) {
    const auto next = std::next(block);
    const bool whole = block->second.free && block->second.first && (next == blocks_.end() || next->second.first);
    if (whole) {
      free_list(block->second.small).erase({block->second.bytes, block->first});
      reserved_ -= block->second.bytes;
      give_(block->first);
      blocks_.erase(block);
    }
    block = next;
  }
}

void SegmentCache::give_back_unused() {
  const std::lock_guard lock(mutex_);
  drop_unused();
}

MemoryStats SegmentCache::stats() const {
  const std::lock_guard lock(mutex_);
  return {live_, peak_};
}

void SegmentCache::reset_peak() {
  const std::lock_guard lock(mutex_);
  peak_ = live_;
}

std::size_t SegmentCache::reserved() const {
  const std::lock_guard lock(mutex_);
  return reserved_;
}

}  // namespace rein::cuda
