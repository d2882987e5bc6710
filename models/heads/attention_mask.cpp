#include "models/heads/attention_mask.h"

#include <cstring>

#include "tensor/error.h"
#include "tensor/parallel.h"

namespace rein::models {

Tensor blocked_where_negative(const Tensor& logits) {
  Tensor blocked = Tensor::empty(logits.shape(), DType::u8);
  std::uint8_t* out = blocked.mutable_data<std::uint8_t>();
  dispatch_real("attention_mask", logits.dtype(), [&]<class T>() {
    const T* in = logits.data<T>();
    parallel_ranges(logits.count(), elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) out[i] = in[i] < T(0) ? 1 : 0;
    });
  });
  return blocked;
}

OpenedMask open_blocked_rows(const Tensor& blocked) {
  require(blocked && blocked.dtype() == DType::u8 && blocked.rank() >= 1 && blocked.size(-1) >= 1, "attention_mask",
          "the mask must be u8 (..., L), L at least 1");
  const std::int64_t keys = blocked.size(-1), rows = blocked.count() / keys;
  const std::uint8_t* in = blocked.data<std::uint8_t>();
  OpenedMask result{blocked, 0};
  for (std::int64_t r = 0; r < rows; ++r) {
    if (std::memchr(in + r * keys, 0, static_cast<std::size_t>(keys)) != nullptr) continue;
    if (result.opened_rows++ == 0) result.blocked = blocked.clone();
    std::memset(result.blocked.mutable_data<std::uint8_t>() + r * keys, 0, static_cast<std::size_t>(keys));
  }
  return result;
}

}  // namespace rein::models
