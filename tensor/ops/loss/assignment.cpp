#include "tensor/ops/loss/assignment.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/loss/assignment_kernels.h"

namespace rein::ops {

Assignment assignment(const Tensor& cost, const Tensor& present) {
  require(cost && cost.dtype() == DType::f64 && cost.rank() == 3, "assignment", "cost must be f64 (N, Q, K), got ",
          cost ? name_of(cost.dtype()) : "nothing", " ", cost.shape());
  const std::int64_t images = cost.size(0), queries = cost.size(1), slots = cost.size(2);
  require(present && present.dtype() == DType::u8 && present.shape() == Shape{images, slots}, "assignment",
          "present must be u8 ", Shape{images, slots}, ", got ", present ? name_of(present.dtype()) : "nothing", " ",
          present.shape(), "; cost is ", cost.shape());
  require_one_device("assignment", "cost and present", cost, present);
  Assignment out{Tensor::empty({images, queries}, DType::i64, cost.device()),
                 Tensor::empty({images}, DType::i64, cost.device())};
  REIN_ON_DEVICE(cost.device(), assign(cost.data<double>(), present.data<std::uint8_t>(), images, queries, slots,
                                       out.slots.mutable_data<std::int64_t>(), out.bad.mutable_data<std::int64_t>()));
  return out;
}

}  // namespace rein::ops
