// Simple loops: a compiler makes vector code of the first, and memchr of the C library is vector code.
#include "tensor/ops/attention/attention_mask_kernels.h"

#include <cstring>

#include "tensor/parallel.h"

namespace rein::ops::cpu {

template <class T>
void blocked_where_negative(const T* logits, std::int64_t count, std::uint8_t* blocked) {
  parallel_ranges(count, elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) blocked[i] = logits[i] < T(0) ? 1 : 0;
  });
}

void open_blocked_rows(const std::uint8_t* in, std::int64_t rows, std::int64_t keys, std::uint8_t* out,
                       std::int64_t* opened) {
  const auto bytes = static_cast<std::size_t>(keys);
  for (std::int64_t r = 0; r < rows; ++r) {
    if (std::memchr(in + r * keys, 0, bytes) != nullptr) {
      std::memcpy(out + r * keys, in + r * keys, bytes);
      continue;
    }
    std::memset(out + r * keys, 0, bytes);
    ++*opened;
  }
}

template void blocked_where_negative(const float*, std::int64_t, std::uint8_t*);
template void blocked_where_negative(const double*, std::int64_t, std::uint8_t*);

}  // namespace rein::ops::cpu
