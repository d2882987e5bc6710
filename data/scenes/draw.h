// A stream of random choices below one key. Each part of a scene has a stream of its own name, so that a choice more in
// one part does not change the others.
#pragma once

#include <cstdint>
#include <span>

#include "data/scenes/vec.h"
#include "tensor/random.h"

namespace rein::data::scenes {

class Draw {
 public:
  explicit Draw(RandomKey key) : key_(key) {}
  Draw child(std::string_view name) const { return Draw(key_.child(name)); }
  Draw child(std::uint64_t index) const { return Draw(key_.child(index)); }

  float uniform() { return static_cast<float>(key_.uniform(next_++)); }
  float range(float lo, float hi) { return lo + (hi - lo) * uniform(); }
  float range(Range r) { return range(r.lo, r.hi); }
  bool chance(float probability) { return uniform() < probability; }
  int between(int lo, int hi) {  // both included
    return lo + static_cast<int>(key_.below(next_++, static_cast<std::uint64_t>(hi - lo + 1)));
  }
  float sign() { return chance(0.5f) ? 1.0f : -1.0f; }
  std::uint32_t seed() { return static_cast<std::uint32_t>(key_.bits(next_++)); }
  template <class T, std::size_t N>
  const T& pick(const T (&items)[N]) {
    return items[key_.below(next_++, N)];
  }
  template <class T>
  const T& pick(std::span<const T> items) {
    return items[key_.below(next_++, items.size())];
  }
  // The colour with its brightness and its tint moved a little.
  Colour near(Colour c, float amount = 0.15f) {
    const float light = range(1 - amount, 1 + amount);
    return {c.x * light * range(1 - amount / 3, 1 + amount / 3), c.y * light,
            c.z * light * range(1 - amount / 3, 1 + amount / 3)};
  }

 private:
  RandomKey key_;
  std::uint64_t next_ = 0;
};

}  // namespace rein::data::scenes
