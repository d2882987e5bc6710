#include "data/loading/loader.h"

#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tensor/random.h"

namespace rein::data {

struct SampleOrder::Cache {
  std::mutex mutex;
  std::map<std::int64_t, std::shared_ptr<const std::vector<std::int64_t>>> epochs;  // the latest two
};

SampleOrder::SampleOrder(std::uint64_t seed, std::int64_t size)
    : seed_(seed), size_(size), cache_(std::make_shared<Cache>()) {
  require(size >= 1, "loader", "needs at least one sample, got ", size);
}

std::int64_t SampleOrder::operator()(std::int64_t sample) const {
  const std::int64_t epoch = sample / size_;
  std::shared_ptr<const std::vector<std::int64_t>> order;
  {
    const std::lock_guard lock(cache_->mutex);
    auto& held = cache_->epochs[epoch];
    if (!held) {
      std::vector<std::int64_t> made(static_cast<std::size_t>(size_));
      std::iota(made.begin(), made.end(), std::int64_t{0});
      const RandomKey key = RandomKey(seed_).child("epoch").child(static_cast<std::uint64_t>(epoch));
      for (std::uint64_t i = made.size() - 1; i > 0; --i) std::swap(made[i], made[key.below(i, i + 1)]);
      held = std::make_shared<const std::vector<std::int64_t>>(std::move(made));
    }
    order = held;
    while (cache_->epochs.size() > 2) cache_->epochs.erase(cache_->epochs.begin());
  }
  return (*order)[static_cast<std::size_t>(sample % size_)];
}

Prepared prepare_sample(const Source& source, const SampleOrder& order, std::uint64_t seed, std::int64_t number,
                        const TrainTransforms& config, float* image, std::int64_t* labels, int views) {
  const std::int64_t photo = number / views, view = number % views;
  Sample sample = source.read(order(photo) * views + view);
  const RandomKey key = RandomKey(seed).child("sample").child(static_cast<std::uint64_t>(photo));
  Prepared out{sample.name, draw_training(key, {sample.image.height, sample.image.width}, config)};
  if (view > 0 && config.photometric)
    out.draw.photometric = draw_photometric(key.child("view").child(static_cast<std::uint64_t>(view)));
  apply_training(sample, out.draw, config);
  normalise_and_pad(sample.image, config.norm, config.crop, image);
  pad_labels(sample.label, config.crop, labels);
  return out;
}

// Workers take samples in order, one at a time, so the batch that is waited for is always the one worked on.
struct Loader::State {
  struct Slot {
    Batch batch;
    int missing = 0;           // samples not done yet
    std::int64_t failed = -1;  // the first sample that failed
    std::exception_ptr error;
  };

  State(std::shared_ptr<const Source> src, LoaderOptions opt)
      : source(std::move(src)),
        options(std::move(opt)),
        order(options.seed, source->size() / options.views),
        next_batch(options.first_batch),
        next_sample(options.first_batch * options.batch_size) {}

  // Sample s may start once its batch is within the window that prefetch allows.
  bool may_start() const { return next_sample / options.batch_size <= next_batch + options.prefetch; }

  Slot& slot_of(std::int64_t batch) {
    const auto [it, is_new] = slots.try_emplace(batch);
    Slot& slot = it->second;
    if (is_new) {
      const Size crop = options.transforms.crop;
      slot.batch.index = batch;
      slot.batch.images = Tensor::empty({options.batch_size, crop.height, crop.width, 3}, DType::f32);
      slot.batch.labels = Tensor::empty({options.batch_size, crop.height, crop.width}, DType::i64);
      slot.batch.names.resize(static_cast<std::size_t>(options.batch_size));
      slot.missing = options.batch_size;
    }
    return slot;
  }

  void work() {
    const SerialRegion serial;
    std::unique_lock lock(mutex);
    while (true) {
      room.wait(lock, [&] { return stopping || may_start(); });
      if (stopping) return;
      const std::int64_t sample = next_sample++;
      const std::int64_t place = sample % options.batch_size;
      Slot* slot = nullptr;  // a map's elements stay where they are
      std::string name;
      std::exception_ptr error;
      try {
        slot = &slot_of(sample / options.batch_size);
        const std::int64_t pixels = slot->batch.labels.count() / options.batch_size;
        float* image = slot->batch.images.mutable_data<float>() + place * pixels * 3;
        std::int64_t* labels = slot->batch.labels.mutable_data<std::int64_t>() + place * pixels;
        lock.unlock();
        name =
            prepare_sample(*source, order, options.seed, sample, options.transforms, image, labels, options.views).name;
      } catch (...) {
        error = std::current_exception();
      }
      if (!lock.owns_lock()) lock.lock();
      if (slot == nullptr) {  // not even memory for the batch: every next() says so
        fatal = error;
        done.notify_all();
        return;
      }
      slot->batch.names[static_cast<std::size_t>(place)] = std::move(name);
      if (error && (slot->failed < 0 || sample < slot->failed)) {
        slot->failed = sample;
        slot->error = error;
      }
      if (--slot->missing == 0) done.notify_all();
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    room.notify_all();
    for (std::thread& worker : workers) worker.join();
    workers.clear();
  }

  std::shared_ptr<const Source> source;
  LoaderOptions options;
  SampleOrder order;
  std::mutex mutex;
  std::condition_variable room;  // for workers: a sample may start
  std::condition_variable done;  // for next(): a batch is complete
  std::map<std::int64_t, Slot> slots;
  std::int64_t next_batch;
  std::int64_t next_sample;
  std::exception_ptr fatal;
  bool stopping = false;
  std::vector<std::thread> workers;
};

Loader::Loader(std::shared_ptr<const Source> source, LoaderOptions options) {
  require(source != nullptr, "loader", "needs a source");
  require(options.batch_size >= 1, "loader", "batch_size must be at least 1, got ", options.batch_size);
  require(options.threads >= 1 && options.threads <= 1024, "loader", "threads must be 1 to 1024, got ",
          options.threads);
  require(options.prefetch >= 0, "loader", "prefetch must not be negative, got ", options.prefetch);
  require(options.first_batch >= 0, "loader", "first_batch must not be negative, got ", options.first_batch);
  require(options.views >= 1 && options.batch_size % options.views == 0 && source->size() % options.views == 0,
          "loader", "views must divide the batch and the source, got ", options.views, ", ", options.batch_size,
          " and ", source->size());
  const Size crop = options.transforms.crop;
  require(crop.height >= 1 && crop.width >= 1, "loader", "crop must be at least 1 x 1, got ", crop.height, " x ",
          crop.width);
  state_ = std::make_unique<State>(std::move(source), std::move(options));
  try {
    for (int i = 0; i < state_->options.threads; ++i) state_->workers.emplace_back([s = state_.get()] { s->work(); });
  } catch (...) {
    state_->stop();
    throw;
  }
}

Loader::~Loader() {
  state_->stop();
}

Batch Loader::next() {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  const auto ready = [&] {
    const auto found = s.slots.find(s.next_batch);
    return s.fatal || (found != s.slots.end() && found->second.missing == 0);
  };
  s.done.wait(lock, ready);
  if (s.fatal) std::rethrow_exception(s.fatal);
  const auto found = s.slots.find(s.next_batch);
  if (found->second.error) std::rethrow_exception(found->second.error);
  Batch batch = std::move(found->second.batch);
  s.slots.erase(found);
  ++s.next_batch;
  lock.unlock();
  s.room.notify_all();
  return batch;
}

}  // namespace rein::data
