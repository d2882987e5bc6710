#include "tensor/ops/attention/attention_mask.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/ops/attention/attention_mask_kernels.h"

namespace rein::ops {

Tensor blocked_where_negative(const Tensor& logits) {
  require(static_cast<bool>(logits), "attention_mask", "needs logits, got null");
  Tensor blocked = Tensor::empty(logits.shape(), DType::u8, logits.device());
  dispatch_real("attention_mask", logits.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(logits.device(),
                   blocked_where_negative(logits.data<T>(), logits.count(), blocked.mutable_data<std::uint8_t>()));
  });
  return blocked;
}

OpenedMask open_blocked_rows(const Tensor& blocked) {
  require(blocked && blocked.dtype() == DType::u8 && blocked.rank() >= 1 && blocked.size(-1) >= 1, "attention_mask",
          "the mask must be u8 (..., L), L at least 1");
  OpenedMask result{Tensor::empty_like(blocked), Tensor::zeros({}, DType::i64, blocked.device())};
  const std::int64_t keys = blocked.size(-1);
  REIN_ON_DEVICE(blocked.device(), open_blocked_rows(blocked.data<std::uint8_t>(), blocked.count() / keys, keys,
                                                     result.blocked.mutable_data<std::uint8_t>(),
                                                     result.opened_rows.mutable_data<std::int64_t>()));
  return result;
}

}  // namespace rein::ops
