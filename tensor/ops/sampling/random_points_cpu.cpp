// A Philox block makes two points. Threads share the rows, and the points of long rows.
#include "tensor/ops/sampling/random_points_kernels.h"

#include "tensor/parallel.h"
#include "tensor/philox.h"

namespace rein::ops::cpu {

void random_points(const std::int64_t* table, std::int64_t rows, std::int64_t count, float* points) {
  parallel_ranges(rows * count, 1 << 11, [&](std::int64_t begin, std::int64_t end) {
    PhiloxWords block{};
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i / count, at = i % count;
      const std::int64_t* stream = table + 3 * row;
      const auto place = static_cast<std::uint64_t>(stream[2] + at);
      if (place % 2 == 0 || at == 0 || i == begin)
        block = philox_block(static_cast<std::uint64_t>(stream[0]), static_cast<std::uint64_t>(stream[1]), place / 2);
      const int half = place % 2 == 0 ? 0 : 2;
      points[2 * i] = static_cast<float>(block.at[half] >> 8) * 0x1p-24f;
      points[2 * i + 1] = static_cast<float>(block.at[half + 1] >> 8) * 0x1p-24f;
    }
  });
}

}  // namespace rein::ops::cpu
