// Batches for training, read ahead by worker threads. Batch b of a run is a function of (seed, b) alone: not of the
// number of threads, not of what was asked before. So a resumed run starts at any batch and sees what it would have.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/loading/transforms.h"
#include "data/sets/dataset.h"
#include "tensor/tensor.h"

namespace rein::data {

struct Batch {
  std::int64_t index = 0;          // in the whole run, from 0
  Tensor images;                   // f32 (N, H, W, 3), RGB, normalised, 0 where padded
  Tensor labels;                   // i64 (N, H, W), ignore_id where padded
  std::vector<std::string> names;  // N
};

struct LoaderOptions {
  int batch_size = 4;
  int threads = 1;   // at least 1; the work inside a thread is serial
  int prefetch = 2;  // batches read ahead of the one asked for; bounds the memory
  std::uint64_t seed = 0;
  std::int64_t first_batch = 0;
  // Views of one photo, neighbours in the source (elements v * i … v * i + v - 1) and in the batch: they share size,
  // crop and flip, and differ in their photometric distortion. The batch size is a multiple.
  int views = 1;
  TrainTransforms transforms;
};

// Sample s of the whole run is element s mod size of epoch s div size, a permutation keyed by (seed, epoch).
class SampleOrder {
 public:
  SampleOrder(std::uint64_t seed, std::int64_t size);
  std::int64_t operator()(std::int64_t sample) const;  // thread-safe

 private:
  struct Cache;
  std::uint64_t seed_;
  std::int64_t size_;
  std::shared_ptr<Cache> cache_;
};

// One sample, ready for the network, as the loader makes it. With views, `order` is that of the photos.
struct Prepared {
  std::string name;
  TrainDraw draw;
};
Prepared prepare_sample(const Source& source, const SampleOrder& order, std::uint64_t seed, std::int64_t sample,
                        const TrainTransforms& config, float* image, std::int64_t* labels, int views = 1);

class Loader {
 public:
  // Starts the workers. std::invalid_argument for an empty source or options out of range.
  Loader(std::shared_ptr<const Source> source, LoaderOptions options);
  ~Loader();  // waits for the samples in work, throws the rest away
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Batches first_batch, first_batch + 1, ... without end. What a worker threw for a sample of this batch is thrown
  // here (that of the first such sample), and again by every later call.
  Batch next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rein::data
