#include "tensor/parallel.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>

#include "tensor/error.h"
#include "tensor/thread_limit.h"

namespace rein {
namespace {

int initial_threads() {
  if (const char* text = std::getenv("REIN_THREADS")) {
    const int threads = std::atoi(text);
    if (threads >= 1) return threads;
  }
  return std::max(1, omp_get_max_threads());
}

std::atomic<int>& threads() {
  static std::atomic<int> value{initial_threads()};
  return value;
}

thread_local bool serial = false;
thread_local int limit = 0;  // of this thread's loops; 0: none

}  // namespace

int thread_count() {
  return limit > 0 ? limit : threads().load();
}

void set_thread_count(int count) {
  require(count >= 1, "threads", "needs at least 1, got ", count);
  threads().store(count);
}

ThreadLimit::ThreadLimit(int count) : before_(limit) {
  require(count >= 0, "threads", "needs at least 0, got ", count);
  if (count > 0) limit = count;
}
ThreadLimit::~ThreadLimit() {
  limit = before_;
}

SerialRegion::SerialRegion() : before_(serial) {
  serial = true;
}
SerialRegion::~SerialRegion() {
  serial = before_;
}

void parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& body) {
  const int team = static_cast<int>(std::min<std::int64_t>(thread_count(), count));
  if (team <= 1 || serial || omp_in_parallel()) {
    for (std::int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  std::exception_ptr error;
  std::mutex error_mutex;
#pragma omp parallel for schedule(dynamic, 1) num_threads(team)
  for (std::int64_t i = 0; i < count; ++i) {
    try {
      body(i);
    } catch (...) {
      const std::lock_guard lock(error_mutex);
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

void parallel_ranges(std::int64_t count, std::int64_t grain,
                     const std::function<void(std::int64_t, std::int64_t)>& body) {
  require(grain >= 1, "parallel", "grain must be at least 1, got ", grain);
  const std::int64_t chunks = (count + grain - 1) / grain;
  parallel_for(chunks, [&](std::int64_t chunk) { body(chunk * grain, std::min(count, (chunk + 1) * grain)); });
}

}  // namespace rein
