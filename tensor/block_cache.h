// Large blocks of memory that are used again: a training step asks for the same sizes every time. A heap would cut
// freed blocks into pieces that fit nobody; measured, a quarter of the resident memory lay unused. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_map>

namespace rein {

class BlockCache {
 public:
  static constexpr std::size_t smallest = std::size_t{1} << 20;  // smaller blocks belong to malloc
  static bool supported();                                       // whether the system can map memory

  // Memory aligned to a page, contents arbitrary; null when the system has none left. A kept block that is at most a
  // quarter too large serves too. When none fits, kept blocks that were not needed for the longest time go back to the
  // system, as far as blocks in use and kept ones together would exceed the most that was ever in use by a sixteenth.
  void* take(std::size_t bytes);
  bool give_back(void* block);  // false: not one of ours

  struct Stats {
    std::size_t used = 0, kept = 0, most_used = 0;  // bytes
  };
  Stats stats() const;
  ~BlockCache();

 private:
  struct Kept {
    void* block;
    std::uint64_t since;  // counts give_back
  };
  void release(std::multimap<std::size_t, Kept>::iterator kept);
  void release_oldest();

  mutable std::mutex mutex_;
  std::multimap<std::size_t, Kept> kept_;         // by size
  std::unordered_map<void*, std::size_t> sizes_;  // of blocks in use
  Stats stats_;
  std::uint64_t clock_ = 0;
};

// The one of the process; never destroyed, because tensors may outlive static objects.
BlockCache& block_cache();

}  // namespace rein
