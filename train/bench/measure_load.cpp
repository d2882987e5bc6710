#include "train/bench/measure_load.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include "models/vit/vit.h"
#include "nn/module.h"
#include "tensor/error.h"
#include "tensor/memory.h"

namespace rein::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::size_t anonymous_bytes() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("RssAnon:")) return std::stoull(line.substr(8)) * 1024;
  fail_runtime("inspect", "/proc/self/status says no RssAnon");
}

// Looks at the anonymous memory every millisecond.
class Watch {
 public:
  Watch() : start_(anonymous_bytes()), peak_(start_), thread_([this] { look(); }) {}
  ~Watch() { stop(); }
  std::size_t above_start() {
    stop();
    return peak_ - start_;
  }

 private:
  void look() {
    while (!done_) {
      peak_ = std::max(peak_, anonymous_bytes());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    peak_ = std::max(peak_, anonymous_bytes());
  }
  void stop() {
    done_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::size_t start_, peak_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace

LoadCost measure_load(const std::filesystem::path& path, const models::zoo::Hints& hints, bool trainable) {
  LoadCost cost;
  Watch watch;
  const std::size_t live = memory_stats().live;
  Clock::time_point begin = Clock::now();
  const models::zoo::Weights weights = models::zoo::open_weights(path, hints);
  models::Vit vit(weights.model.options);
  vit.freeze(!trainable);
  cost.open_seconds = seconds_since(begin);
  begin = Clock::now();
  models::zoo::bind_weights(vit, weights, DType::f32);
  cost.bind_seconds = seconds_since(begin);
  begin = Clock::now();
  unsigned sum = 0;
  vit.visit([&](const std::string&, nn::Param& p) {
    const Tensor& value = p.value.value();
    const auto* bytes = static_cast<const volatile unsigned char*>(value.raw());
    for (std::size_t i = 0; i < value.bytes(); i += 64) sum += bytes[i];
    cost.weights += value.bytes();
    cost.largest = std::max(cost.largest, value.bytes());
  });
  cost.touch_seconds = seconds_since(begin) + 0 * sum;
  cost.own = memory_stats().live - live;
  const std::size_t anonymous = watch.above_start();
  cost.beyond = anonymous > cost.own ? anonymous - cost.own : 0;
  return cost;
}

}  // namespace rein::train
