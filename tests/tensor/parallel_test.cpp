#include "tensor/parallel.h"

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

using rein::parallel_for;
using rein::parallel_ranges;

namespace {

class Threads {
 public:
  explicit Threads(int count) : before_(rein::thread_count()) { rein::set_thread_count(count); }
  ~Threads() { rein::set_thread_count(before_); }

 private:
  int before_;
};

// A sum as kernels make it: each range in order, then the ranges' sums in order.
float ordered_sum(const std::vector<float>& values, std::int64_t grain) {
  const auto count = static_cast<std::int64_t>(values.size());
  std::vector<float> parts(static_cast<std::size_t>((count + grain - 1) / grain));
  parallel_ranges(count, grain, [&](std::int64_t begin, std::int64_t end) {
    float sum = 0;
    for (std::int64_t i = begin; i < end; ++i) sum += values[static_cast<std::size_t>(i)];
    parts[static_cast<std::size_t>(begin / grain)] = sum;
  });
  float sum = 0;
  for (const float part : parts) sum += part;
  return sum;
}

}  // namespace

TEST_CASE("parallel: every index once, for any number of threads") {
  for (const int threads : {1, 2, 3, 8}) {
    const Threads team(threads);
    CHECK(rein::thread_count() == threads);
    std::vector<std::atomic<int>> hits(1000);
    parallel_for(1000, [&](std::int64_t i) { ++hits[static_cast<std::size_t>(i)]; });
    int wrong = 0;
    for (const auto& h : hits) wrong += h != 1;
    CHECK(wrong == 0);
  }
  parallel_for(0, [](std::int64_t) { FAIL("called for nothing"); });
}

TEST_CASE("parallel: ranges cover the count, cut by count and grain alone") {
  for (const std::int64_t count : {0, 1, 31, 32, 33, 100}) {
    for (const std::int64_t grain : {1, 7, 32, 1000}) {
      std::vector<std::int64_t> ends(static_cast<std::size_t>(count), -1);
      parallel_ranges(count, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) ends[static_cast<std::size_t>(i)] = end;
      });
      for (std::int64_t i = 0; i < count; ++i) {
        CHECK(ends[static_cast<std::size_t>(i)] == std::min(count, (i / grain + 1) * grain));
      }
    }
  }
  CHECK_THROWS_AS(parallel_ranges(1, 0, [](std::int64_t, std::int64_t) {}), std::invalid_argument);
  CHECK_THROWS_AS(rein::set_thread_count(0), std::invalid_argument);
}

TEST_CASE("parallel: an ordered sum has the same bits for any number of threads") {
  std::vector<float> values(100'000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 1.0f / static_cast<float>(i + 1);
  float one;
  {
    const Threads team(1);
    one = ordered_sum(values, 1000);
  }
  for (const int threads : {2, 3, 5, 16}) {
    const Threads team(threads);
    for (int run = 0; run < 5; ++run) CHECK(ordered_sum(values, 1000) == one);
  }
}

TEST_CASE("parallel: an exception comes out after the loop, and the next loop works") {
  for (const int threads : {1, 4}) {
    const Threads team(threads);
    CHECK_THROWS_WITH_AS(parallel_for(100,
                                      [](std::int64_t i) {
                                        if (i == 37) throw std::runtime_error("thirty-seven");
                                      }),
                         "thirty-seven", std::runtime_error);
    std::atomic<int> calls{0};
    parallel_for(100, [&](std::int64_t) { ++calls; });
    CHECK(calls == 100);
  }
}

TEST_CASE("parallel: nested loops run serially on the thread they are in") {
  const Threads team(4);
  std::vector<std::int64_t> sums(20);
  std::atomic<int> strays{0};
  parallel_for(20, [&](std::int64_t i) {
    const auto here = std::this_thread::get_id();
    parallel_for(100, [&](std::int64_t j) {
      strays += std::this_thread::get_id() != here;
      sums[static_cast<std::size_t>(i)] += j;  // no race: one thread
    });
  });
  CHECK(strays == 0);
  for (const auto sum : sums) CHECK(sum == 4950);
}

TEST_CASE("parallel: a serial region keeps loops on its thread, and ends with its scope") {
  const Threads team(4);
  std::atomic<int> strays{0};
  const auto here = std::this_thread::get_id();
  {
    const rein::SerialRegion outer;
    { const rein::SerialRegion inner; }
    parallel_for(100, [&](std::int64_t) { strays += std::this_thread::get_id() != here; });
  }
  CHECK(strays == 0);
  // Another thread's region is none of ours.
  std::thread([&] {
    const rein::SerialRegion region;
    const auto there = std::this_thread::get_id();
    parallel_for(100, [&](std::int64_t) { strays += std::this_thread::get_id() != there; });
  }).join();
  CHECK(strays == 0);
}
