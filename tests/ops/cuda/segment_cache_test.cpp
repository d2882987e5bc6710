// The device's allocator as bookkeeping, over made-up addresses.
#include "tensor/cuda/segment_cache.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <stdexcept>

using rein::cuda::SegmentCache;

namespace {

// A device of `room` bytes.
struct Store {
  std::size_t room = 0, taken = 0;
  std::uintptr_t next = 1 << 30;
  std::map<void*, std::size_t> segments{};

  void* take(std::size_t bytes) {
    if (taken + bytes > room) return nullptr;
    taken += bytes;
    void* at = reinterpret_cast<void*>(next);
    next += std::uintptr_t{1} << 34;
    segments[at] = bytes;
    return at;
  }
  void give(void* at) {
    taken -= segments.at(at);
    segments.erase(at);
  }
};

struct Cache : Store, SegmentCache {
  explicit Cache(std::size_t bytes, bool reuse = true)
      : Store{bytes}, SegmentCache([this](std::size_t n) { return take(n); }, [this](void* p) { give(p); }, reuse) {}
};

TEST_CASE("a freed block is handed out again, and neighbours merge") {
  Cache cache(std::size_t{1} << 30);
  void* a = cache.allocate(1000);
  void* b = cache.allocate(1000);
  CHECK(cache.stats().live == 2048);
  CHECK(cache.segments.size() == 1);
  cache.release(a);
  CHECK(cache.allocate(900) == a);
  cache.release(a);
  cache.release(b);
  CHECK(cache.allocate(2048) == a);
  CHECK(cache.stats().peak == 2048);
  CHECK_THROWS_AS(cache.release(b), std::invalid_argument);
}

TEST_CASE("what is unused goes back before memory counts as used up") {
  Cache cache(std::size_t{64} << 20);
  void* a = cache.allocate(std::size_t{40} << 20);
  CHECK(cache.allocate(std::size_t{40} << 20) == nullptr);
  cache.release(a);
  CHECK(cache.reserved() == std::size_t{40} << 20);
  CHECK(cache.allocate(std::size_t{50} << 20) != nullptr);
  CHECK(cache.reserved() == std::size_t{50} << 20);
}

TEST_CASE("without reuse every block is the device's own, of its exact size, and goes back at once") {
  Cache cache(std::size_t{1} << 30, false);
  void* a = cache.allocate(1000);
  void* b = cache.allocate(3);
  CHECK(cache.segments.at(a) == 1000);
  CHECK(cache.segments.at(b) == 3);
  CHECK(cache.stats().live == 1003);
  CHECK(cache.reserved() == 1003);
  cache.release(a);
  CHECK(cache.segments.size() == 1);
  CHECK(cache.taken == 3);
  CHECK_THROWS_AS(cache.release(a), std::invalid_argument);
  cache.release(b);
  CHECK(cache.reserved() == 0);
  CHECK(cache.stats().live == 0);
  CHECK(cache.stats().peak == 1003);
}

}  // namespace
