#include "data/loading/loader.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "tensor/random.h"

namespace rein::data {
namespace {

// Pictures made of their own index; `fail_at` throws, and reading may be slowed so that workers overtake each other.
class Made final : public Source {
 public:
  explicit Made(std::int64_t count, std::int64_t fail_at = -1) : count_(count), fail_at_(fail_at) {}
  std::int64_t size() const override { return count_; }
  const ClassSet& classes() const override { return cityscapes_classes(); }
  Sample read(std::int64_t index) const override {
    ++reads;
    if (index == fail_at_) throw std::runtime_error("sample " + std::to_string(index) + " is broken");
    std::this_thread::sleep_for(std::chrono::microseconds(RandomKey(9).below(static_cast<std::uint64_t>(index), 800)));
    Sample s{Image(24, 40), LabelMap(24, 40), std::to_string(index)};
    const RandomKey key = RandomKey(1).child(static_cast<std::uint64_t>(index));
    for (std::size_t i = 0; i < s.image.pixels.size(); ++i) s.image.pixels[i] = static_cast<std::uint8_t>(key.bits(i));
    for (std::size_t i = 0; i < s.label.ids.size(); ++i) s.label.ids[i] = static_cast<std::uint8_t>(i % 3);
    return s;
  }
  mutable std::atomic<int> reads{0};

 private:
  std::int64_t count_, fail_at_;
};

LoaderOptions options(int threads, std::int64_t first = 0, int batch_size = 4) {
  LoaderOptions o;
  o.threads = threads;
  o.first_batch = first;
  o.batch_size = batch_size;
  o.seed = 17;
  o.transforms.crop = {20, 20};
  o.transforms.short_edges = {16, 20, 28};
  return o;
}

bool same(const Batch& a, const Batch& b) {
  return a.index == b.index && a.names == b.names && a.images.to_doubles() == b.images.to_doubles() &&
         a.labels.to_doubles() == b.labels.to_doubles();
}

TEST_CASE("Batches do not depend on the number of threads, nor on where a run starts") {
  const auto source = std::make_shared<Made>(11);
  Loader one(source, options(1)), five(source, options(5)), late(source, options(3, 6));
  for (int b = 0; b < 10; ++b) {
    const Batch batch = one.next();
    CHECK(batch.index == b);
    CHECK(batch.images.shape() == Shape{4, 20, 20, 3});
    CHECK(batch.labels.shape() == Shape{4, 20, 20});
    CHECK(same(batch, five.next()));
    if (b >= 6) CHECK(same(batch, late.next()));
  }
}

TEST_CASE("Four batches of one are one batch of four") {
  const auto source = std::make_shared<Made>(7);
  Loader four(source, options(2)), single(source, options(2, 0, 1));
  const Batch whole = four.next();
  for (int i = 0; i < 4; ++i) {
    const Batch part = single.next();
    CHECK(part.names[0] == whole.names[std::size_t(i)]);
    CHECK(part.images.to_doubles() == whole.images.rows(i, i + 1).to_doubles());
  }
}

TEST_CASE("Every epoch shows every sample once, in an order of its own; seeds differ") {
  const SampleOrder order(3, 50), other(4, 50);
  std::vector<std::vector<std::int64_t>> epochs(3);
  for (std::int64_t s = 0; s < 150; ++s) epochs[std::size_t(s / 50)].push_back(order(s));
  for (const auto& epoch : epochs) CHECK(std::set<std::int64_t>(epoch.begin(), epoch.end()).size() == 50);
  CHECK(epochs[0] != epochs[1]);
  CHECK(epochs[1] != epochs[2]);
  CHECK(order(0) == epochs[0][0]);  // going back gives the same
  int equal = 0;
  for (std::int64_t s = 0; s < 50; ++s) equal += order(s) == other(s);
  CHECK(equal < 10);
}

TEST_CASE("The same sample in another epoch is transformed anew") {
  Loader loader(std::make_shared<Made>(1), options(1, 0, 1));
  const Batch a = loader.next(), b = loader.next();
  CHECK(a.names == b.names);
  CHECK(a.images.to_doubles() != b.images.to_doubles());
}

TEST_CASE("An error of a worker is thrown by next(), for its batch, every time") {
  const auto source = std::make_shared<Made>(9, 5);
  for (const int threads : {1, 4}) {
    Loader loader(source, options(threads));
    std::string text;
    int batches = 0;
    for (int tries = 0; tries < 5 && text.empty(); ++tries) {
      try {
        loader.next();
        ++batches;
      } catch (const std::runtime_error& error) {
        text = error.what();
      }
    }
    CHECK(text == "sample 5 is broken");
    CHECK(batches <= 2);
    CHECK_THROWS_AS(loader.next(), std::runtime_error);
  }
}

TEST_CASE("Reading ahead is bounded, and a loader stops at any moment") {
  const auto source = std::make_shared<Made>(1000);
  {
    Loader loader(source, options(3));
    loader.next();
    constexpr int allowed = 4 * (1 + 1 + 2);  // the batch taken, the one waited for, two ahead
    for (int waits = 0; waits < 5000 && source->reads < allowed; ++waits) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK(source->reads == allowed);
  }
  for (int i = 0; i < 30; ++i) Loader(source, options(1 + i % 4)).next();
  for (int i = 0; i < 30; ++i) Loader loader(source, options(1 + i % 4));
}

TEST_CASE("Bad options are the caller's mistake") {
  const auto source = std::make_shared<Made>(3);
  CHECK_THROWS_AS(Loader(nullptr, options(1)), std::invalid_argument);
  CHECK_THROWS_AS(Loader(source, options(0)), std::invalid_argument);
  CHECK_THROWS_AS(Loader(source, options(1, -1)), std::invalid_argument);
  CHECK_THROWS_AS(Loader(source, options(1, 0, 0)), std::invalid_argument);
  CHECK_THROWS_AS(Loader(std::make_shared<Made>(0), options(1)), std::invalid_argument);
}

}  // namespace
}  // namespace rein::data
