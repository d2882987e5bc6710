// The learners' levels of attention give what the CPU's kernel gives, whatever the device.
#include "tensor/ops/levels/attention_levels.h"

#include <doctest/doctest.h>

#include "autograd/cases/case.h"
#include "tensor/ops/attention/attention.h"
#include "tensor/ops/elementwise/cast.h"
#include "tensor/random.h"

using namespace rein;

namespace {

const Device device{Device::Kind::cuda, 0};

// Values that bf16 holds exactly, so that every level sees the same numbers.
Tensor numbers(const Shape& shape, const char* name) {
  return ops::cast(ops::cast(random_normal(RandomKey(5).child(name), shape, 0, 1, DType::f32), DType::bf16),
                   DType::f64);
}

TEST_CASE("every level of attention agrees with the f64 kernel, at lengths around the tiles") {
  const auto levels = ops::attention_levels();
  REQUIRE(levels.size() == 5);
  for (const std::int64_t length : {1, 31, 33, 130}) {
    const Shape shape{2, length, ops::attention_level_width};
    const Tensor q = numbers(shape, "q"), k = numbers(shape, "k"), v = numbers(shape, "v");
    const Tensor expected = ops::attention(rows_of(q), rows_of(k), rows_of(v), {}).out;
    for (std::size_t i = 0; i < levels.size(); ++i) {
      CAPTURE(length);
      CAPTURE(levels[i].name);
      const auto there = [&](const Tensor& t) { return ops::cast(t, levels[i].operands).to(device); };
      poison_new_tensors(true);
      const Tensor out = ops::attention_level(i, there(q), there(k), there(v)).to(Device{});
      poison_new_tensors(false);
      const testing::Comparison result = testing::compare(ops::cast(out, DType::f64), expected, levels[i].tolerance);
      CHECK_MESSAGE(result.ok, "error ", result.error, " ", result.text);
    }
  }
}

TEST_CASE("levels of attention name what does not fit") {
  const Tensor x = Tensor::zeros({2, 3, 64}, DType::f32), there = x.to(device);
  CHECK_THROWS_WITH_AS(ops::attention_level(5, there, there, there), "[attention_level] level must be below 5, got 5",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops::attention_level(0, x, x, x),
                       "[attention_level] q, k and v must be f32 (2, 3, 64) on one CUDA device", std::invalid_argument);
  CHECK_THROWS_AS(ops::attention_level(4, there, there, there), std::invalid_argument);
  const Tensor narrow = Tensor::zeros({2, 3, 32}, DType::f32, device);
  CHECK_THROWS_WITH_AS(ops::attention_level(0, narrow, narrow, narrow),
                       "[attention_level] q must be (heads, length, 64) with a length of at least 1, got (2, 3, 32)",
                       std::invalid_argument);
}

}  // namespace
