// The caching allocator: large segments from the device, cut into blocks; freed blocks merge with free neighbours and
// are handed out again. A training step asks for the same sizes again and again, so after the first one the device is
// not asked any more (its own allocation call waits for all kernels).
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "tensor/memory.h"

namespace rein::cuda {

// Thread-safe. Segments come from `take` (null: none left) and go back through `give`. Without `reuse` each block is a
// segment of exactly its size that goes back when it is released: memory checkers then see what lies beyond a block.
class SegmentCache {
 public:
  SegmentCache(std::function<void*(std::size_t)> take, std::function<void(void*)> give, bool reuse = true);
  ~SegmentCache();
  SegmentCache(const SegmentCache&) = delete;
  SegmentCache& operator=(const SegmentCache&) = delete;

  // Null when neither the cache nor, after everything unused was given back, the device has room.
  void* allocate(std::size_t bytes);
  void release(void* block);  // a block of allocate, once; throws std::invalid_argument otherwise
  void give_back_unused();

  MemoryStats stats() const;  // of live blocks, rounded to 512 bytes
  void reset_peak();
  std::size_t reserved() const;

 private:
  struct Block {
    std::size_t bytes = 0;
    bool free = true;
    bool first = false;  // of its segment
    bool small = false;  // lives in a segment for small blocks
  };
  using Blocks = std::map<std::byte*, Block>;  // by address; neighbours in the map are neighbours in the segment
  using FreeKey = std::pair<std::size_t, std::byte*>;

  std::set<FreeKey>& free_list(bool small) { return free_[small ? 1 : 0]; }
  Blocks::iterator find_free(std::size_t bytes, bool small);
  Blocks::iterator new_segment(std::size_t bytes, bool small);
  void drop_unused();

  std::function<void*(std::size_t)> take_;
  std::function<void(void*)> give_;
  bool reuse_;
  mutable std::mutex mutex_;
  Blocks blocks_;
  std::set<FreeKey> free_[2];  // best fit: smallest first
  std::size_t live_ = 0, peak_ = 0, reserved_ = 0;
};

}  // namespace rein::cuda
