#include "tensor/ops/assignment.h"

#include <vector>

#include "tensor/error.h"
#include "tensor/ops/assignment_cpu.h"
#include "tensor/parallel.h"

namespace rein::ops {

Assignment assignment(const Tensor& cost, const Tensor& present) {
  require(cost && cost.dtype() == DType::f64 && cost.rank() == 3, "assignment", "cost must be f64 (N, Q, K), got ",
          cost ? name_of(cost.dtype()) : "nothing", " ", cost.shape());
  const std::int64_t images = cost.size(0), queries = cost.size(1), slots = cost.size(2);
  require(present && present.dtype() == DType::u8 && present.shape() == Shape{images, slots}, "assignment",
          "present must be u8 ", Shape{images, slots}, ", got ", present ? name_of(present.dtype()) : "nothing", " ",
          present.shape(), "; cost is ", cost.shape());
  Assignment out{Tensor::empty({images, queries}, DType::i64, cost.device())};
  std::vector<std::int64_t> bad(static_cast<std::size_t>(images));
  const double* costs = cost.data<double>();
  const std::uint8_t* there = present.data<std::uint8_t>();
  std::int64_t* to = out.slots.mutable_data<std::int64_t>();
  parallel_for(images, [&](std::int64_t n) {
    bad[static_cast<std::size_t>(n)] =
        cpu::assign(costs + n * queries * slots, there + n * slots, queries, slots, to + n * queries);
  });
  for (const std::int64_t count : bad) out.bad += count;
  return out;
}

}  // namespace rein::ops
