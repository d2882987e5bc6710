// Random points in the unit square, for point sampling: a pure function of key and number, the same on every device.
// Point i of a stream takes half of the key's Philox block i / 2; coordinates are multiples of 2^-24 in [0, 1), exact
// in f32.
#pragma once

#include <span>

#include "tensor/random.h"

namespace rein::ops {

struct PointStream {
  RandomKey key;
  std::int64_t first = 0;  // the stream's point that comes first, not negative
};

// -> f32 (T, count, 2), x first: row t holds `count` points of streams[t].
Tensor random_points(std::span<const PointStream> streams, std::int64_t count, Device device = {});

}  // namespace rein::ops
