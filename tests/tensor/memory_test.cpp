#include "tensor/memory.h"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "tensor/tensor.h"

#ifdef __SANITIZE_ADDRESS__
// Refused memory must come back as null here too, as it does without the sanitizer.
extern "C" const char* __asan_default_options() {
  return "allocator_may_return_null=1";
}
#endif

using rein::DType;
using rein::Storage;
using rein::Tensor;

TEST_CASE("memory: live and peak bytes follow the storages") {
  rein::reset_peak_memory();
  const auto before = rein::memory_stats();
  CHECK(before.peak == before.live);
  {
    const Tensor a = Tensor::empty({1000}, DType::f32);
    const Tensor view = a.rows(0, 10);
    CHECK(rein::memory_stats().live == before.live + 4000);
    { const Tensor b = Tensor::empty({1000}, DType::f64); }
    CHECK(rein::memory_stats().live == before.live + 4000);
    CHECK(rein::memory_stats().peak == before.live + 12000);
    rein::reset_peak_memory();
    CHECK(rein::memory_stats().peak == before.live + 4000);
  }
  CHECK(rein::memory_stats().live == before.live);
  CHECK(rein::memory_stats().peak == before.live + 4000);
}

TEST_CASE("memory: a view keeps its storage") {
  const auto before = rein::memory_stats().live;
  Tensor view;
  { view = Tensor::full({10, 10}, 3, DType::f32).rows(9, 10); }
  CHECK(rein::memory_stats().live == before + 400);
  CHECK(view.at(9) == 3.0);
  view = {};
  CHECK(rein::memory_stats().live == before);
}

TEST_CASE("memory: borrowed bytes are not ours, and are released once") {
  float bytes[4] = {1, 2, 3, 4};
  int released = 0;
  const auto before = rein::memory_stats().live;
  {
    Tensor t = Tensor::over(Storage::borrow(bytes, sizeof bytes, [&] { ++released; }), 0, {4}, DType::f32);
    const Tensor other = t;
    CHECK(rein::memory_stats().live == before);
    t.fill(9);
    CHECK(released == 0);
  }
  CHECK(released == 1);
  CHECK(bytes[3] == 9.0f);
  CHECK(rein::memory_stats().live == before);
}

TEST_CASE("memory: too much is an error that names the size, and is not counted") {
  const auto before = rein::memory_stats().live;
  CHECK_THROWS_WITH_AS(Tensor::empty({1ll << 59}, DType::u8),
                       "[memory] out of memory: could not allocate 576460752303423488 bytes on the CPU",
                       std::runtime_error);
  // In bytes beyond what 64 bits can say.
  CHECK_THROWS(Tensor::empty({1ll << 61}, DType::f64));
  CHECK_THROWS(Tensor::empty({1ll << 62}, DType::f32));
  CHECK(rein::memory_stats().live == before);
}

TEST_CASE("memory: poisoned tensors are NaN until written") {
  const bool before = rein::poisoning_new_tensors();
  rein::poison_new_tensors(true);
  const Tensor f = Tensor::empty({5}, DType::f32), d = Tensor::empty({5}, DType::f64),
               z = Tensor::zeros({5}, DType::f32);
  rein::poison_new_tensors(before);
  CHECK(std::isnan(f.at(4)));
  CHECK(std::isnan(d.at(0)));
  CHECK(z.at(0) == 0.0);
}
