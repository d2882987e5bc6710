// Parallel loops whose results do not depend on the number of threads: work is cut into fixed chunks, each chunk is
// done by one thread in order, and sums over chunks are added in chunk order.
#pragma once

#include <cstdint>
#include <functional>

namespace rein {

// Threads used by the loops below: REIN_THREADS, else OMP_NUM_THREADS, else the cores this process may use.
int thread_count();
void set_thread_count(int threads);  // at least 1

// While alive on a thread, loops started from that thread run serially (loader threads: the trainer owns the team).
class SerialRegion {
 public:
  SerialRegion();
  ~SerialRegion();
  SerialRegion(const SerialRegion&) = delete;
  SerialRegion& operator=(const SerialRegion&) = delete;

 private:
  bool before_;
};

// Calls body(i) for i in [0, count), each once. Chunks are handed out dynamically, so body(i) may write only what i
// owns. Nested calls run serially. An exception in a body is rethrown after the loop.
void parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& body);

// Calls body(begin, end) for consecutive ranges of `grain` elements (the last may be shorter). The cutting depends on
// `count` and `grain` only. `grain` at least 1.
void parallel_ranges(std::int64_t count, std::int64_t grain,
                     const std::function<void(std::int64_t begin, std::int64_t end)>& body);

// A grain for cheap elementwise work: enough elements that a chunk outweighs its overhead.
inline constexpr std::int64_t elementwise_grain = 1 << 15;

// Rows of `cols` elements that make such a chunk, at least one: the grain for kernels that own whole rows.
constexpr std::int64_t rows_per_range(std::int64_t cols) {
  const std::int64_t rows = elementwise_grain / (cols < 1 ? 1 : cols);
  return rows < 1 ? 1 : rows;
}

}  // namespace rein
