// A task is an image, or a row.
#include "tensor/ops/loss/match_slots_kernels.h"

#include <algorithm>
#include <cstring>

#include "tensor/parallel.h"

namespace rein::ops::cpu {

void match_slots(const SlotSizes& s, const std::int64_t* class_of, const std::uint8_t* present,
                 const std::int64_t* splits, const SlotLists& out) {
  parallel_for(s.images, [&](std::int64_t n) {
    std::int64_t place = splits[n];
    const std::int64_t end = splits[n + 1];
    for (std::int64_t i = n * s.queries; i < (n + 1) * s.queries; ++i) {
      const std::int64_t k = class_of[i];
      const std::uint8_t* there = present + n * s.classes;
      out.targets[i] = k < 0 ? -1 : std::count_if(there, there + k, [](std::uint8_t p) { return p != 0; });
      out.free[i] = k < 0 ? s.classes : -1;
      if (k < 0 || place == end) continue;
      out.rows[place] = i;
      out.image[place] = n;
      out.of_class[place] = k;
      ++place;
    }
    for (; place < end; ++place) out.rows[place] = out.image[place] = out.of_class[place] = -1;
  });
}

template <class T>
void take_rows(const T* x, std::int64_t /*length*/, std::int64_t cols, const std::int64_t* rows, std::int64_t count,
               T* y) {
  parallel_for(count, [&](std::int64_t t) {
    if (rows[t] < 0)
      std::fill_n(y + t * cols, cols, T(0));
    else
      std::memcpy(y + t * cols, x + rows[t] * cols, static_cast<std::size_t>(cols) * sizeof(T));
  });
}

template <class T>
void put_rows(const T* x, std::int64_t length, std::int64_t cols, const std::int64_t* rows, std::int64_t count, T* y) {
  std::fill_n(y, length * cols, T(0));
  for (std::int64_t t = 0; t < count; ++t)
    if (rows[t] >= 0) std::memcpy(y + rows[t] * cols, x + t * cols, static_cast<std::size_t>(cols) * sizeof(T));
}

#define REIN_INSTANTIATE(T)                                                                             \
  template void take_rows(const T*, std::int64_t, std::int64_t, const std::int64_t*, std::int64_t, T*); \
  template void put_rows(const T*, std::int64_t, std::int64_t, const std::int64_t*, std::int64_t, T*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)
#undef REIN_INSTANTIATE

}  // namespace rein::ops::cpu
