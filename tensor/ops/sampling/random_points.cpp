#include "tensor/ops/sampling/random_points.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/ops/sampling/random_points_kernels.h"

namespace rein::ops {

Tensor random_points(std::span<const PointStream> streams, std::int64_t count, Device device) {
  require(count >= 0, "random_points", "count must not be negative, got ", count);
  const auto rows = static_cast<std::int64_t>(streams.size());
  Tensor table = Tensor::empty({rows, 3}, DType::i64);  // key, stream, first
  std::int64_t* to = table.mutable_data<std::int64_t>();
  for (const PointStream& s : streams) {
    require(s.first >= 0, "random_points", "a stream's first point must not be negative, got ", s.first);
    *to++ = static_cast<std::int64_t>(s.key.key());
    *to++ = static_cast<std::int64_t>(s.key.stream());
    *to++ = s.first;
  }
  Tensor points = Tensor::empty({rows, count, 2}, DType::f32, device);
  const Tensor there = table.to(device);
  REIN_ON_DEVICE(device, random_points(there.data<std::int64_t>(), rows, count, points.mutable_data<float>()));
  return points;
}

}  // namespace rein::ops
