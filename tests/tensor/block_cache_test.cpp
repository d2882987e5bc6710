#include "tensor/block_cache.h"

#include <doctest/doctest.h>

#include <cstring>

#include "tensor/memory.h"
#include "tensor/tensor.h"

using rein::BlockCache;

namespace {
constexpr std::size_t mib = std::size_t{1} << 20;
}

TEST_CASE("block cache: a block is used again for its size and somewhat smaller ones") {
  BlockCache cache;
  void* block = cache.take(8 * mib);
  REQUIRE(block != nullptr);
  CHECK(reinterpret_cast<std::uintptr_t>(block) % 4096 == 0);
  std::memset(block, 1, 8 * mib);
  CHECK(cache.give_back(block));
  CHECK(cache.stats().used == 0);
  CHECK(cache.stats().kept == 8 * mib);
  CHECK(cache.take(8 * mib) == block);
  CHECK(cache.give_back(block));
  CHECK(cache.take(7 * mib) == block);
  CHECK(cache.stats().used == 8 * mib);  // the whole block counts
  CHECK(cache.give_back(block));
  void* small = cache.take(6 * mib);  // a quarter of it would be wasted
  CHECK(small != block);
  CHECK(cache.give_back(small));
  CHECK(!cache.give_back(small));  // not in use
  int other = 0;
  CHECK(!cache.give_back(&other));
}

TEST_CASE("block cache: used and kept blocks stay near the most that was ever used") {
  BlockCache cache;
  void *first = cache.take(4 * mib), *second = cache.take(5 * mib);
  CHECK(cache.give_back(first));
  CHECK(cache.give_back(second));
  CHECK(cache.stats().most_used == 9 * mib);
  void* third = cache.take(3 * mib);  // none fits: the older one, of 4 MiB, goes
  CHECK(cache.stats().kept == 5 * mib);
  CHECK(cache.take(5 * mib) == second);
  void* large = cache.take(32 * mib);
  CHECK(cache.stats().kept == 0);
  CHECK(cache.stats().most_used == cache.stats().used);
  for (void* block : {second, third, large}) CHECK(cache.give_back(block));
}

TEST_CASE("block cache: too much is null, and nothing is counted") {
  BlockCache cache;
  CHECK(cache.take(SIZE_MAX) == nullptr);
  CHECK(cache.take(std::size_t{1} << 62) == nullptr);
  CHECK(cache.stats().used == 0);
}
